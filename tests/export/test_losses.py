"""The losses have the values that their papers give them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latent_resonance_export.losses import (
    critic_loss,
    generator_loss,
    prior_loss,
    smoothness_penalty,
)


def logits(*values: float) -> tuple[Tensor, ...]:
    """One constant critic for each value."""
    return tuple(torch.full((4, 3), value) for value in values)


def chance() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def codes(n: int = 512, d: int = 32) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(
    ("real", "fake", "loss"),
    [(1.0, -1.0, 0.0), (5.0, -9.0, 0.0), (0.0, 0.0, 2.0), (-1.0, 1.0, 4.0), (0.5, -1.0, 0.5)],
)
def test_the_hinge_is_zero_once_real_and_generated_are_a_margin_apart(
    real: float, fake: float, loss: float
) -> None:
    assert critic_loss(logits(real), logits(fake)).item() == pytest.approx(loss)


def test_every_critic_counts() -> None:
    assert critic_loss(logits(0.0, 2.0, 0.0), logits(0.0, -2.0, 0.0)).item() == pytest.approx(4.0)
    assert generator_loss(logits(1.0, -0.25)).item() == pytest.approx(-0.75)


def test_two_critics_must_answer_both_times() -> None:
    with pytest.raises(ValueError, match="zip"):
        critic_loss(logits(0.0, 0.0), logits(0.0))


def test_the_penalty_measures_the_slope_of_the_critic() -> None:
    sigma = 0.05
    assert smoothness_penalty(logits(2.0), logits(2.0), sigma).item() == 0.0
    moved = smoothness_penalty(logits(2.0, 0.0), logits(2.0 + 3 * sigma, 0.0), sigma)
    assert moved.item() == pytest.approx(9.0, rel=1e-4)


def test_normal_codes_are_nearly_free_and_collapsed_or_spread_ones_are_not() -> None:
    z = codes()
    assert prior_loss(z, chance()).item() < 0.03
    assert prior_loss(torch.zeros_like(z), chance()).item() == pytest.approx(1.0, abs=0.02)
    assert prior_loss(3.0 * z, chance()).item() == pytest.approx(4.0, abs=0.4)
    assert prior_loss(z + 1.0, chance()).item() > 0.5


def test_codes_on_a_line_are_not_taken_for_normal_ones() -> None:
    z = codes()
    line = z[:, :1] * torch.ones(1, z.shape[1])  # each coordinate alone is normal
    assert prior_loss(line, chance()).item() > 10 * prior_loss(z, chance()).item()


def test_the_prior_pulls_collapsed_codes_apart() -> None:
    z = (1e-2 * codes(64, 8)).requires_grad_(True)
    optimiser = torch.optim.Adam([z], 0.1)
    for _ in range(40):
        loss = prior_loss(z, chance())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    assert math.isclose(z.std().item(), 1.0, abs_tol=0.2)
