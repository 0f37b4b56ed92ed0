"""What changes while a generator is trained, and how a run is put down and taken up again.

A checkpoint is one file of tensors and numbers; reading one runs no code of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from latent_resonance import LatentResonanceError
from latent_resonance_export.networks import Critic, Encoder, LoopGenerator


class CheckpointError(LatentResonanceError):
    """A file that is no checkpoint of these networks, or networks that are not worth one."""


@dataclass
class Training:
    """All that changes while training, and all that a checkpoint holds."""

    generator: LoopGenerator
    encoder: Encoder
    critic: Critic
    average: LoopGenerator
    generator_optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam
    step: int = 0

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """What has a state, by its name in the checkpoint."""
        return {
            "generator": self.generator,
            "encoder": self.encoder,
            "critic": self.critic,
            "average": self.average,
            "generator_optimiser": self.generator_optimiser,
            "critic_optimiser": self.critic_optimiser,
        }


def save(training: Training, path: Path) -> None:
    """Writes the checkpoint beside its name, then renames it.

    Raises
    ------
    CheckpointError
        The networks hold NaN or infinity; the last checkpoint is untouched.
    """
    networks = (part for part in training.parts().values() if isinstance(part, nn.Module))
    if not all(p.isfinite().all() for network in networks for p in network.parameters()):
        raise CheckpointError(
            f"the networks ceased to be numbers at step {training.step}; {path} is as it was last "
            "saved: go on from it with another --seed"
        )
    beside = path.with_suffix(".part")
    state = {name: part.state_dict() for name, part in training.parts().items()}
    torch.save({"step": training.step, **state}, beside)
    beside.replace(path)


def load(training: Training, path: Path, device: torch.device) -> None:
    """Continues from a checkpoint.

    Raises
    ------
    CheckpointError
        It cannot be read, or is of other networks.
    """
    state = read(path, device)
    try:
        for name, part in training.parts().items():
            part.load_state_dict(state[name])
    except (KeyError, RuntimeError, ValueError) as error:
        raise _refusal(path, "is of other networks") from error
    training.step = state["step"]


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """The step and the state of each part, by name.

    Raises
    ------
    CheckpointError
        It is missing, broken, or holds more than tensors and numbers.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no {path}: train-gan writes it") from error
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise _refusal(path, "is broken or holds more than tensors") from error
    if not (isinstance(state, dict) and isinstance(state.get("step"), int)):
        raise _refusal(path, "is not a checkpoint of train-gan")
    return state


def _refusal(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} {why}; restore it, or name another folder for the run")
