"""Hinge loss (Lim & Ye 2017), a gradient penalty without second derivatives, and a prior for z."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

Logits = tuple[Tensor, ...]


def critic_loss(real: Logits, fake: Logits) -> Tensor:
    """Mean hinge over each critic's logits."""
    pairs = zip(real, fake, strict=True)
    return sum(relu(1.0 - r).mean() + relu(1.0 + f).mean() for r, f in pairs)


def generator_loss(fake: Logits) -> Tensor:
    """Wants every critic to answer high."""
    return -sum(f.mean() for f in fake)


def smoothness_penalty(logits: Logits, nudged: Logits, sigma: float) -> Tensor:
    """How far logits move for a small nudge: R1 by finite difference.

    Lin et al. 2025, "APT", equation 4.
    """
    pairs = zip(logits, nudged, strict=True)
    return sum((a.mean(dim=1) - b.mean(dim=1)).square().mean() for a, b in pairs) / sigma**2


def prior_loss(z: Tensor, chance: torch.Generator, n_slices: int = 128) -> Tensor:
    """How far codes (n, d) are from a normal prior.

    The squared sliced Wasserstein distance of Kolouri et al. 2018.
    """
    directions = torch.randn(z.shape[1], n_slices, generator=chance).to(z)
    directions = directions / directions.norm(dim=0)
    n = z.shape[0]
    quantiles = (torch.arange(n, device=z.device, dtype=z.dtype) + 0.5) / n
    normal = 2.0**0.5 * torch.erfinv(2.0 * quantiles - 1.0)
    return (torch.sort(z @ directions, dim=0).values - normal.unsqueeze(1)).square().mean()
