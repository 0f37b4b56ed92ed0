"""The generator that is kept: an average of the one that learns."""

from __future__ import annotations

import pytest
from torch import nn

from latent_resonance_export.gan.ema import update_ema


def test_the_average_follows_by_half_within_its_half_life() -> None:
    slow, fast = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.zeros_(slow.weight)
    nn.init.ones_(fast.weight)
    for _ in range(50):
        update_ema(slow, fast, step=100_000, halflife=50.0)
    assert slow.weight.item() == pytest.approx(0.5, abs=1e-3)


def test_what_a_network_counts_is_averaged_with_what_it_learns() -> None:
    slow, fast = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    fast.running_mean += 8.0
    update_ema(slow, fast, step=100_000, halflife=1.0)
    assert slow.running_mean.tolist() == [4.0, 4.0, 4.0]
