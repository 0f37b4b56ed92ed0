"""The state of GAN training, how it is saved and resumed, and how Ctrl-C stops it.

A checkpoint is one file of tensors and numbers; reading one executes no code. It is written to a
temporary file and renamed, so the last checkpoint is always complete.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from threading import current_thread, main_thread
from types import FrameType
from typing import Any

import torch
from torch import nn

from latent_resonance import LatentResonanceError
from latent_resonance_export.gan.models.protocol import Discriminator

CHECKPOINT = "checkpoint.pt"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
SAVE_INTERVAL_S = 300.0  # at most this much work is lost, however long a step takes
FORCE_AFTER_S = 1.0  # a second Ctrl-C later than this stops at once; a sooner one is a repeat


class CheckpointError(LatentResonanceError):
    """The file is no checkpoint of these networks, or the networks are not worth saving."""


@dataclass
class Training:
    """Everything that changes during training, and everything that a checkpoint holds.

    ema : the moving average of the generator
    """

    generator: nn.Module
    encoder: nn.Module | None
    discriminator: Discriminator
    ema: nn.Module
    generator_optimiser: torch.optim.Adam
    discriminator_optimiser: torch.optim.Adam
    step: int = 0

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """Everything with a state_dict, by its name in the checkpoint file; the names stay."""
        parts = {
            "generator": self.generator,
            "encoder": self.encoder,
            "critic": self.discriminator,
            "average": self.ema,
            "generator_optimiser": self.generator_optimiser,
            "critic_optimiser": self.discriminator_optimiser,
        }
        return {name: part for name, part in parts.items() if part is not None}


class SaveSchedule:
    """When to save between the evaluations: after the first step, then by time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._saved_s = clock()

    def is_due(self, step: int) -> bool:
        """Whether the training should be saved after this step."""
        return step == 1 or self._clock() - self._saved_s >= SAVE_INTERVAL_S

    def saved(self) -> None:
        """Notes that the training was saved now."""
        self._saved_s = self._clock()


def save(training: Training, path: Path) -> None:
    """Writes the checkpoint to a temporary file, then renames it.

    Raises
    ------
    CheckpointError
        The networks hold NaN or infinity, or the disk is full; the last checkpoint is untouched.
    """
    networks = [part for part in training.parts().values() if isinstance(part, nn.Module)]
    if not all(p.isfinite().all() for network in networks for p in network.parameters()):
        raise CheckpointError(
            f"the networks hold NaN or infinity at step {training.step}; {last_saved(path)}: "
            "continue from it with another --seed"
        )
    state = {name: part.state_dict() for name, part in training.parts().items()}
    temporary = path.with_suffix(".part")
    try:
        write_tensors({"step": training.step, **state}, temporary)
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # PyTorch's archive raises RuntimeError
        with suppress(OSError):
            temporary.unlink()
        raise CheckpointError(
            f"step {training.step} could not be saved ({_reason(error)}); {last_saved(path)}: "
            "make room, then repeat the command to continue"
        ) from error


def write_tensors(state: dict[str, Any], path: Path) -> None:
    """Writes a file and flushes it to the disk."""
    with path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def last_saved(path: Path) -> str:
    """What is left of a run that cannot continue, as a clause for a message."""
    if not path.exists():
        return "nothing has been saved yet"
    return f"{path} is as it was last saved, at step {read(path, torch.device('meta'))['step']}"


def load(training: Training, path: Path, device: torch.device) -> None:
    """Restores a training from its checkpoint.

    Raises
    ------
    CheckpointError
        It cannot be read, or belongs to other networks.
    """
    state = read(path, device)
    if state.keys() != {"step"} | training.parts().keys():
        raise _refusal(path, "belongs to other networks")
    try:
        for name, part in training.parts().items():
            part.load_state_dict(state[name])
    except (KeyError, RuntimeError, ValueError) as error:
        raise _refusal(path, "belongs to other networks") from error
    training.step = state["step"]


def load_networks(training: Training, path: Path, device: torch.device) -> None:
    """Loads the networks of another run; optimisers and step stay fresh.

    Raises
    ------
    CheckpointError
        It cannot be read, or belongs to other networks.
    """
    state = read(path, device)
    try:
        for name, part in training.parts().items():
            if isinstance(part, nn.Module):
                part.load_state_dict(state[name])
    except (KeyError, RuntimeError) as error:
        raise _refusal(path, "belongs to other networks") from error


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
        It is broken or holds anything else.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError) as error:
        raise _refusal(path, "is broken or holds more than tensors") from error
    if not isinstance(state, dict):
        raise _refusal(path, "holds no named tensors")
    return state


def _reason(error: BaseException) -> str:
    """Why writing failed: the system's error is in the context of PyTorch's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        error, cause = cause, cause.__context__
    return " ".join(str(error).split())[:120]


def _refusal(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"{path} {why}; restore it, or name another folder for the run")


class Stop:
    """Whether a signal has requested the end of training."""

    def __init__(self) -> None:
        self.requested = False
        self._requested_s = 0.0

    def request(self, _number: int, _frame: FrameType | None) -> None:
        """Handles a signal.

        Raises
        ------
        KeyboardInterrupt
            A stop was requested more than FORCE_AFTER_S ago, and training still runs.
        """
        now = time.monotonic()
        if self.requested and now - self._requested_s > FORCE_AFTER_S:
            raise KeyboardInterrupt
        if not self.requested:
            self.requested, self._requested_s = True, now


@contextmanager
def catch_stop_signals() -> Iterator[Stop]:
    """Within the context, Ctrl-C and SIGTERM are recorded instead of raised."""
    stop = Stop()
    with signal_handler(stop.request):
        yield stop


@contextmanager
def signal_handler(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Installs a handler for both signals; does nothing outside the main thread."""
    if current_thread() is not main_thread():
        yield
        return
    previous = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, usual in previous.items():
            signal.signal(number, usual)
