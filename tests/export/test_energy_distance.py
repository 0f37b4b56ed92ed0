"""The distance of distributions that teaches level, grain and contrast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from latent_resonance_export.gan.energy_distance import (
    BLUR,
    absolute_sum,
    double,
    draw_corners,
    energy_distance,
    energy_loss,
    halve,
    patches,
    pyramid,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=rng(seed))


def test_the_sum_of_differences_is_that_of_every_pair() -> None:
    x = randn(9, 3)
    pairs = sum((x[i] - x[j]).abs() for i in range(9) for j in range(i))
    torch.testing.assert_close(absolute_sum(x), pairs)


def test_the_distance_is_the_one_of_its_definition() -> None:
    x, y = randn(3, 4, 2, seed=1), randn(3, 4, 2, seed=2) + 0.5

    def mean(a: Tensor, b: Tensor, *, other_clips_only: bool) -> Tensor:
        apart = [
            (a[i, k] - b[j, m]).abs()
            for i in range(3)
            for j in range(3)
            for k in range(4)
            for m in range(4)
            if not (other_clips_only and i == j)
        ]
        return torch.stack(apart).mean(dim=0)

    across = mean(x, y, other_clips_only=False)
    within = mean(x, x, other_clips_only=True) + mean(y, y, other_clips_only=True)
    torch.testing.assert_close(energy_distance(x, y), (2 * across - within).mean())


def test_it_is_nothing_on_average_for_clips_of_one_kind_however_few() -> None:
    def clips(seed: int) -> Tensor:
        """Pieces of a clip resemble each other more than those of another."""
        return randn(4, 1, 1, seed=seed) + 0.1 * randn(4, 16, 1, seed=seed + 10_000)

    same = [energy_distance(clips(2 * i), clips(2 * i + 1)).item() for i in range(600)]
    error = np.std(same) / len(same) ** 0.5
    assert abs(np.mean(same)) < 3 * error
    assert error < 0.03, "too few to tell"
    assert min(same) < 0 < max(same)


@pytest.mark.parametrize("side", [32, 64])
def test_it_sees_a_wrong_level_a_wrong_contrast_and_a_wrong_grain(side: int) -> None:
    def pictures(seed: int) -> Tensor:
        return 0.3 * randn(8, 1, side, side, seed=seed)

    real = pictures(1)
    alike = abs(energy_loss(real, pictures(2), rng()).item())
    assert alike < 0.01
    blurred = sum(pictures(2).roll(k, dims=-1) for k in range(3)) / 3**0.5
    for wrong in (pictures(2) + 0.2, 1.5 * pictures(2), blurred):
        assert energy_loss(real, wrong, rng()).item() > 5 * alike


@pytest.mark.slow
def test_following_it_downhill_finds_the_level() -> None:
    real, base = 0.2 * randn(8, 1, 32, 32, seed=1) - 0.5, 0.2 * randn(8, 1, 32, 32, seed=2)
    level = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.Adam([level], 0.05)
    for step in range(60):
        optimiser.zero_grad()
        energy_loss(real, base + level, rng(step)).backward()
        optimiser.step()
    assert level.item() == pytest.approx(-0.5, abs=0.05)


def test_the_pyramid_adds_up_to_the_picture_again() -> None:
    x = randn(2, 1, 64, 128)
    levels = list(pyramid(x))
    assert [tuple(level.shape[2:]) for level in levels] == [(64, 128), (32, 64), (16, 32)]
    again = levels[-1]
    for level in levels[-2::-1]:
        again = level + double(double(again, 2, "replicate"), 3, "circular")
    torch.testing.assert_close(again, x)


def test_halving_is_the_blur_of_its_definition_and_goes_round_the_loop() -> None:
    x = randn(1, 1, 4, 16)
    padded = torch.cat([x[..., -2:], x, x[..., :2]], dim=-1)
    blurred = sum(weight * padded[..., k : k + 16] for k, weight in enumerate(BLUR))
    torch.testing.assert_close(halve(x, 3, "circular"), blurred[..., ::2])


def test_patches_go_round_the_loop_and_stay_within_the_bands() -> None:
    level = torch.arange(16.0 * 32).view(1, 1, 16, 32).expand(3, -1, -1, -1)
    corners = draw_corners(level.shape, rng())
    cut = patches(level, corners).view(3, -1, 7, 7).long()
    rows, columns = cut // 32, cut % 32
    assert (rows.diff(dim=2) == 1).all()
    assert ((columns.diff(dim=3) % 32) == 1).all()
    assert (columns.diff(dim=3) < 0).any(), "none went round"
