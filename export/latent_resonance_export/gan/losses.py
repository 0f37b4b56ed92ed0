"""Adversarial losses, gradient penalties, and the prior loss of z.

HINGE: Lim & Ye 2017, with a gradient penalty by finite differences.
NON_SATURATING: Goodfellow et al. 2014, with R1 (Mescheder et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

Logits = tuple[Tensor, ...]
ZERO = torch.zeros(())


@dataclass(frozen=True)
class AdversarialLoss:
    """Losses that belong together.

    discriminator : of the logits of real and of generated clips
    generator : of the logits of generated clips
    exact_r1 : the discriminator's penalty is exact R1, not a finite difference
    """

    discriminator: Callable[[Logits, Logits], Tensor]
    generator: Callable[[Logits], Tensor]
    exact_r1: bool


def hinge_discriminator_loss(real: Logits, fake: Logits) -> Tensor:
    """Mean hinge over each discriminator's logits."""
    pairs = zip(real, fake, strict=True)
    return sum((relu(1.0 - r).mean() + relu(1.0 + f).mean() for r, f in pairs), start=ZERO)


def hinge_generator_loss(fake: Logits) -> Tensor:
    """The negative mean of each discriminator's logits."""
    return -sum((f.mean() for f in fake), start=ZERO)


def logistic_discriminator_loss(real: Logits, fake: Logits) -> Tensor:
    """Cross-entropy of log-odds that should be high for real and low for generated clips."""
    pairs = zip(real, fake, strict=True)
    return sum((softplus(-r).mean() + softplus(f).mean() for r, f in pairs), start=ZERO)


def non_saturating_generator_loss(fake: Logits) -> Tensor:
    """Cross-entropy of generated clips labelled as real."""
    return sum((softplus(-f).mean() for f in fake), start=ZERO)


HINGE = AdversarialLoss(hinge_discriminator_loss, hinge_generator_loss, exact_r1=False)
NON_SATURATING = AdversarialLoss(
    logistic_discriminator_loss, non_saturating_generator_loss, exact_r1=True
)


def approximate_r1_penalty(logits: Logits, perturbed: Logits, sigma: float) -> Tensor:
    """R1 by finite differences: the change of the logits under noise of deviation sigma.

    Lin et al. 2025, "APT", equation 4.
    """
    pairs = zip(logits, perturbed, strict=True)
    return (
        sum(((a.mean(dim=1) - b.mean(dim=1)).square().mean() for a, b in pairs), start=ZERO)
        / sigma**2
    )


def r1_penalty(discriminator: Callable[[Tensor], Logits], real: Tensor) -> Tensor:
    """R1: the squared gradient of the logits at real clips (batch, 1, n_mels, n_frames).

    Scaled so that a weight of 1 suits any size of spectrogram and batch (Karras et al. 2020,
    "Training GANs with limited data": gamma = 0.0002 pixels / batch).
    """
    real = real.detach().requires_grad_(True)
    logit_sum = sum((logits.mean(dim=1).sum() for logits in discriminator(real)), start=ZERO)
    (gradient,) = torch.autograd.grad(logit_sum, real, create_graph=True)
    gamma = 2e-4 * real[0].numel() / len(real)
    return gamma / 2 * gradient.square().flatten(1).sum(dim=1).mean()


def prior_loss(z: Tensor, rng: torch.Generator, n_slices: int = 128) -> Tensor:
    """Squared sliced Wasserstein distance of z (n, latent_dim) from a standard normal.

    Kolouri et al. 2018, with quantiles of the normal distribution in place of samples.
    """
    directions = torch.randn(z.shape[1], n_slices, generator=rng).to(z)
    directions = directions / directions.norm(dim=0)
    n = z.shape[0]
    quantiles = (torch.arange(n, device=z.device, dtype=z.dtype) + 0.5) / n
    normal = 2.0**0.5 * torch.erfinv(2.0 * quantiles - 1.0)
    distance: Tensor = torch.sort(z @ directions, dim=0).values - normal.unsqueeze(1)
    return distance.square().mean()
