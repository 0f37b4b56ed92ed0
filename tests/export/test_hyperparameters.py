"""The hyperparameters: the decay of the learning rates, and reading."""

from __future__ import annotations

import pytest

from latent_resonance_export.gan.hyperparameters import (
    Hyperparameters,
    HyperparametersError,
    read_hyperparameters,
)


def test_learning_rates_stay_until_they_settle_and_then_halve_again_and_again() -> None:
    hyperparameters = Hyperparameters(settle=3000, rate_halflife=2000.0)
    assert [hyperparameters.rate_factor(step) for step in (0, 3000, 5000, 7000)] == [
        1.0,
        1.0,
        0.5,
        0.25,
    ]


def test_a_recipe_of_another_version_is_refused() -> None:
    with pytest.raises(HyperparametersError, match="has charm, which this version does not know"):
        read_hyperparameters({"batch_size": 4, "charm": 1.0})
