"""The hyperparameters of GAN training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from latent_resonance import LatentResonanceError


class HyperparametersError(LatentResonanceError):
    """The hyperparameters are from another version of the workshop."""


@dataclass(frozen=True)
class Hyperparameters:
    """Defaults are those of the architecture `loop`. Half-lives and intervals are in steps.

    The names are keys of run.yaml, so they stay.
    """

    batch_size: int = 16  # over all devices; with an encoder, half of it reconstructs clips
    warm_up: int = 500  # steps of reconstruction only, before the discriminator joins
    warm_up_rate: float = 5e-4  # Adam's, like the next four
    generator_rate: float = 2e-4
    critic_rate: float = 2e-4  # the discriminator's
    beta1: float = 0.0
    beta2: float = 0.99
    settle: int = 8000  # from this step on both rates halve every `rate_halflife` steps
    rate_halflife: float = 2000.0
    likeness_weight: float = 8.0  # of the reconstruction loss
    prior_weight: float = 3.0
    energy_weight: float = 100.0
    z_noise: float = 0.15
    penalty_weight: float = 0.1
    penalty_sigma: float = 0.05
    penalty_interval: int = 4
    n_patches: int = 4
    turn: bool = True  # roll each real clip by a random number of frames
    ema_halflife: float = 1000.0
    log_interval: int = 20
    checkpoint_interval: int = 200
    seed: int = 0

    def rate_factor(self, step: int) -> float:
        """Factor of the learning rates at a step: 1 until `settle`, then decaying."""
        decay: float = 0.5 ** (max(step - self.settle, 0) / self.rate_halflife)
        return decay


def read_hyperparameters(values: Mapping[str, Any]) -> Hyperparameters:
    """The hyperparameters as run.yaml stores them.

    Raises
    ------
    HyperparametersError
        A name is unknown.
    """
    if unknown := sorted(values.keys() - vars(Hyperparameters()).keys()):
        raise HyperparametersError(
            f"the run's recipe has {' and '.join(unknown)}, which this version does not know: "
            "continue with the version of the workshop that began it, or begin another run"
        )
    return Hyperparameters(**values)
