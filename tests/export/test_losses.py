"""The losses have the values that their papers give them."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from latent_resonance_export.gan.losses import (
    approximate_r1_penalty,
    hinge_discriminator_loss,
    hinge_generator_loss,
    logistic_discriminator_loss,
    non_saturating_generator_loss,
    prior_loss,
    r1_penalty,
)


def logits(*values: float) -> tuple[Tensor, ...]:
    """One constant critic for each value."""
    return tuple(torch.full((4, 3), value) for value in values)


def rng() -> torch.Generator:
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
    assert hinge_discriminator_loss(logits(real), logits(fake)).item() == pytest.approx(loss)


def test_every_critic_counts() -> None:
    assert hinge_discriminator_loss(
        logits(0.0, 2.0, 0.0), logits(0.0, -2.0, 0.0)
    ).item() == pytest.approx(4.0)
    assert hinge_generator_loss(logits(1.0, -0.25)).item() == pytest.approx(-0.75)


def test_two_critics_must_answer_both_times() -> None:
    with pytest.raises(ValueError, match="zip"):
        hinge_discriminator_loss(logits(0.0, 0.0), logits(0.0))


def test_the_penalty_measures_the_slope_of_the_critic() -> None:
    sigma = 0.05
    assert approximate_r1_penalty(logits(2.0), logits(2.0), sigma).item() == 0.0
    moved = approximate_r1_penalty(logits(2.0, 0.0), logits(2.0 + 3 * sigma, 0.0), sigma)
    assert moved.item() == pytest.approx(9.0, rel=1e-4)


@pytest.mark.parametrize(("real", "fake"), [(0.0, 0.0), (2.0, -1.0), (-3.0, 0.5)])
def test_the_other_game_is_the_cross_entropy_of_log_odds(real: float, fake: float) -> None:
    def chance_of(log_odds: float) -> float:
        return 1.0 / (1.0 + math.exp(-log_odds))

    doubt = -math.log(chance_of(real)) - math.log(1.0 - chance_of(fake))
    assert logistic_discriminator_loss(logits(real), logits(fake)).item() == pytest.approx(
        doubt, rel=1e-5
    )
    convinced = -math.log(chance_of(fake))
    assert non_saturating_generator_loss(logits(fake)).item() == pytest.approx(convinced, rel=1e-5)


def test_a_generator_that_is_found_out_still_learns_in_that_game() -> None:
    found_out = torch.full((4, 1), -20.0, requires_grad=True)
    non_saturating_generator_loss((found_out,)).backward()
    assert found_out.grad.sum().item() == pytest.approx(-1.0, abs=1e-3)


def test_the_exact_slope_is_that_of_the_critic_whatever_the_size_of_the_picture() -> None:
    for side in (4, 8):
        weight = torch.full((1, 1, side, side), 3.0 / side)  # a gradient of length 3
        clips = torch.randn(2, 1, side, side, generator=rng())

        def discriminator(x: Tensor, weight: Tensor = weight) -> tuple[Tensor]:
            return ((x * weight).sum(dim=(1, 2, 3)).view(-1, 1).expand(-1, 5),)

        gamma = 2e-4 * side**2 / 2
        penalty = r1_penalty(discriminator, clips).item()
        assert penalty == pytest.approx(gamma / 2 * 9.0, rel=1e-4)


def test_the_exact_slope_teaches_the_critic_to_be_flatter() -> None:
    weight = torch.ones(1, 1, 4, 4, requires_grad=True)
    clips = torch.randn(2, 1, 4, 4, generator=rng())
    r1_penalty(lambda x: ((x * weight).sum(dim=(1, 2, 3)).view(-1, 1),), clips).backward()
    assert (weight.grad > 0).all()


def test_normal_codes_are_nearly_free_and_collapsed_or_spread_ones_are_not() -> None:
    z = codes()
    assert prior_loss(z, rng()).item() < 0.03
    assert prior_loss(torch.zeros_like(z), rng()).item() == pytest.approx(1.0, abs=0.02)
    assert prior_loss(3.0 * z, rng()).item() == pytest.approx(4.0, abs=0.4)
    assert prior_loss(z + 1.0, rng()).item() > 0.5


def test_codes_on_a_line_are_not_taken_for_normal_ones() -> None:
    z = codes()
    line = z[:, :1] * torch.ones(1, z.shape[1])  # each coordinate alone is normal
    assert prior_loss(line, rng()).item() > 10 * prior_loss(z, rng()).item()


def test_the_prior_pulls_collapsed_codes_apart() -> None:
    z = (1e-2 * codes(64, 8)).requires_grad_(True)
    optimiser = torch.optim.Adam([z], 0.1)
    for _ in range(40):
        loss = prior_loss(z, rng())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05
    assert math.isclose(z.std().item(), 1.0, abs_tol=0.2)
