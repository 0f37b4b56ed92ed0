"""Two adversarial games, what keeps their critics smooth, and a prior for z.

HINGE: Lim & Ye 2017, with a gradient penalty by finite difference.
NON_SATURATING: Goodfellow et al. 2014, with R1 (Mescheder et al. 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import relu, softplus

Logits = tuple[Tensor, ...]


@dataclass(frozen=True)
class Game:
    """Losses that belong together.

    critic : of real and of generated clips' logits
    generator : of generated clips' logits
    exact_slope : the critic's penalty is R1 itself, not a finite difference
    """

    critic: Callable[[Logits, Logits], Tensor]
    generator: Callable[[Logits], Tensor]
    exact_slope: bool


def critic_loss(real: Logits, fake: Logits) -> Tensor:
    """Mean hinge over each critic's logits."""
    pairs = zip(real, fake, strict=True)
    return sum(relu(1.0 - r).mean() + relu(1.0 + f).mean() for r, f in pairs)


def generator_loss(fake: Logits) -> Tensor:
    """Wants every critic to answer high."""
    return -sum(f.mean() for f in fake)


def doubting_loss(real: Logits, fake: Logits) -> Tensor:
    """The critic's cross-entropy: log-odds that are high for real and low for generated clips."""
    pairs = zip(real, fake, strict=True)
    return sum(softplus(-r).mean() + softplus(f).mean() for r, f in pairs)


def convincing_loss(fake: Logits) -> Tensor:
    """The generator's cross-entropy, as if what it made were real."""
    return sum(softplus(-f).mean() for f in fake)


HINGE = Game(critic_loss, generator_loss, exact_slope=False)
NON_SATURATING = Game(doubting_loss, convincing_loss, exact_slope=True)


def smoothness_penalty(logits: Logits, nudged: Logits, sigma: float) -> Tensor:
    """How far logits move for a small nudge: R1 by finite difference.

    Lin et al. 2025, "APT", equation 4.
    """
    pairs = zip(logits, nudged, strict=True)
    return sum((a.mean(dim=1) - b.mean(dim=1)).square().mean() for a, b in pairs) / sigma**2


def slope_penalty(judge: Callable[[Tensor], Logits], real: Tensor) -> Tensor:
    """R1: the squared gradient of the logits at real clips (batch, 1, n_mels, n_frames).

    In the unit in which a weight of 1 suits any size of picture and of batch (Karras et al.
    2020, "Training GANs with limited data": gamma = 0.0002 pixels / batch).
    """
    real = real.detach().requires_grad_(True)
    total = sum(logits.mean(dim=1).sum() for logits in judge(real))
    (gradient,) = torch.autograd.grad(total, real, create_graph=True)
    gamma = 2e-4 * real[0].numel() / len(real)
    return gamma / 2 * gradient.square().flatten(1).sum(dim=1).mean()


def prior_loss(z: Tensor, rng: torch.Generator, n_slices: int = 128) -> Tensor:
    """How far codes (n, d) are from a normal prior.

    The squared sliced Wasserstein distance of Kolouri et al. 2018.
    """
    directions = torch.randn(z.shape[1], n_slices, generator=rng).to(z)
    directions = directions / directions.norm(dim=0)
    n = z.shape[0]
    quantiles = (torch.arange(n, device=z.device, dtype=z.dtype) + 0.5) / n
    normal = 2.0**0.5 * torch.erfinv(2.0 * quantiles - 1.0)
    return (torch.sort(z @ directions, dim=0).values - normal.unsqueeze(1)).square().mean()
