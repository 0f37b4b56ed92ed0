"""How a generator is trained: every number of it, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from latent_resonance import LatentResonanceError


class RecipeError(LatentResonanceError):
    """A recipe of another version of the workshop."""


@dataclass(frozen=True)
class Recipe:
    """How to train; these are the default architecture's. Half-lives and intervals are in steps."""

    batch_size: int = 16  # over all devices; with an encoder, half of it re-creates clips
    warm_up: int = 500  # steps of re-creating only, before the critics join
    warm_up_rate: float = 5e-4  # Adam's, like the next four
    generator_rate: float = 2e-4
    critic_rate: float = 2e-4
    beta1: float = 0.0
    beta2: float = 0.99
    settle: int = 8000  # from this step on both rates halve every `rate_halflife` steps
    rate_halflife: float = 2000.0
    likeness_weight: float = 8.0
    prior_weight: float = 3.0
    energy_weight: float = 100.0
    z_noise: float = 0.15
    penalty_weight: float = 0.1
    penalty_sigma: float = 0.05
    penalty_interval: int = 4
    n_patches: int = 4
    turn: bool = True  # each real clip by a random number of frames: a loop has no beginning
    ema_halflife: float = 1000.0
    log_interval: int = 20
    checkpoint_interval: int = 200
    seed: int = 0

    def slowed(self, step: int) -> float:
        """Share of the learning rates that is left at a step: 1, then halved every so often."""
        return 0.5 ** (max(step - self.settle, 0) / self.rate_halflife)


def read_recipe(said: Mapping[str, Any]) -> Recipe:
    """The recipe of a run's sheet.

    Raises
    ------
    RecipeError
        It has a value that no recipe has.
    """
    if unknown := sorted(said.keys() - vars(Recipe()).keys()):
        raise RecipeError(
            f"the run's recipe says {' and '.join(unknown)}, which no recipe here has: train on "
            "with the version of the workshop that began it, or begin another run"
        )
    return Recipe(**said)
