"""What changes while a generator is trained, and how a run is put down and taken up again.

A checkpoint is one file of tensors and numbers; reading one runs no code of it. It is
written beside its name and renamed, so that the last one is whole whatever happens.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import nn

from latent_resonance import LatentResonanceError

CHECKPOINT = "checkpoint.pt"


class CheckpointError(LatentResonanceError):
    """A file that is no checkpoint of these networks, or networks that are not worth one."""


@dataclass
class Training:
    """All that changes while training, and all that a checkpoint holds."""

    generator: nn.Module
    encoder: nn.Module | None
    critic: nn.Module
    average: nn.Module
    generator_optimiser: torch.optim.Adam
    critic_optimiser: torch.optim.Adam
    step: int = 0

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """What has a state, by its name in the checkpoint."""
        parts = {
            "generator": self.generator,
            "encoder": self.encoder,
            "critic": self.critic,
            "average": self.average,
            "generator_optimiser": self.generator_optimiser,
            "critic_optimiser": self.critic_optimiser,
        }
        return {name: part for name, part in parts.items() if part is not None}


def save(training: Training, path: Path) -> None:
    """Writes the checkpoint beside its name, then renames it.

    Raises
    ------
    CheckpointError
        The networks hold NaN or infinity, or the disk is full; the last checkpoint is untouched.
    """
    networks = [part for part in training.parts().values() if isinstance(part, nn.Module)]
    if not all(p.isfinite().all() for network in networks for p in network.parameters()):
        raise CheckpointError(
            f"the networks ceased to be numbers at step {training.step}; {last_good(path)}: go on "
            "from it with another --seed"
        )
    state = {name: part.state_dict() for name, part in training.parts().items()}
    beside = path.with_suffix(".part")
    try:
        write_tensors({"step": training.step, **state}, beside)
        beside.replace(path)
    except (OSError, RuntimeError) as error:  # PyTorch's archive gives up with the latter
        with suppress(OSError):
            beside.unlink()
        raise CheckpointError(
            f"step {training.step} could not be saved ({_reason(error)}); {last_good(path)}: make "
            "room, then the same command goes on"
        ) from error


def write_tensors(state: dict[str, Any], path: Path) -> None:
    """Writes a file and does not return before the disk has it."""
    with path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def last_good(path: Path) -> str:
    """What is left of a run that cannot go on."""
    if not path.exists():
        return "nothing had been saved yet"
    return f"{path} is as it was last saved, at step {read(path, torch.device('meta'))['step']}"


def load(training: Training, path: Path, device: torch.device) -> None:
    """Continues from a checkpoint.

    Raises
    ------
    CheckpointError
        It cannot be read, or is of other networks.
    """
    state = read(path, device)
    if state.keys() != {"step"} | training.parts().keys():
        raise _refusal(path, "is of other networks")
    try:
        for name, part in training.parts().items():
            part.load_state_dict(state[name])
    except (KeyError, RuntimeError, ValueError) as error:
        raise _refusal(path, "is of other networks") from error
    training.step = state["step"]


def inherit(training: Training, path: Path, device: torch.device) -> None:
    """Begins with the networks of another run; optimisers and step stay fresh.

    Raises
    ------
    CheckpointError
        It cannot be read, or is of other networks.
    """
    state = read(path, device)
    try:
        for name, part in training.parts().items():
            if isinstance(part, nn.Module):
                part.load_state_dict(state[name])
    except (KeyError, RuntimeError) as error:
        raise _refusal(path, "is of other networks") from error


def read(path: Path, device: torch.device) -> dict[str, Any]:
    """The step and the state of each part, by name.

    Raises
    ------
    CheckpointError
        It is missing, broken, or holds more than tensors and numbers.
    """
    if not path.exists():
        raise CheckpointError(f"there is no {path}: train-gan writes it")
    state = read_tensors(path, device)
    if not isinstance(state.get("step"), int):
        raise _refusal(path, "is not a checkpoint of train-gan")
    return state


def read_tensors(path: Path, device: torch.device) -> dict[str, Any]:
    """A file of named tensors and numbers; nothing in it is executed.

    Raises
    ------
    CheckpointError
        It is broken or holds more than that.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise _refusal(path, "is broken or holds more than tensors") from error
    if not isinstance(state, dict):
        raise _refusal(path, "holds no named tensors")
    return state


def _reason(error: BaseException) -> str:
    """Why the disk refused: the system's own word is behind PyTorch's."""
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        last, error = error, error.__context__
    return " ".join(str(last).split())[:120]


def _refusal(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} {why}; restore it, or name another folder for the run")
