"""Compares an exported network with the original, and measures it on ONNX Runtime."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latent_resonance_export.gan.models.loop_vaegan import MARGIN
from latent_resonance_export.pack import ConversionError

TOLERANCE = 1e-4  # largest difference between PyTorch and ONNX Runtime
PART_TOLERANCE = 1e-5  # largest difference between a part of a loop and the whole
PART = 2  # steps of a loop that are compared at a time
PLACES = "places"  # the optional input of a generator: which steps of its loop
BATCH_SIZES = (1, 3, 16, 44)  # of the comparison: 64 examples in all
N_EXAMPLES = sum(BATCH_SIZES)
MAX_SEAM = (3.0, 0.01)  # limit of the step at the loop point: factor of the other steps, plus


def check_network(network: nn.Module, examples: Tensor, path: Path) -> float:
    """The largest difference between PyTorch and ONNX Runtime; removes a file that differs.

    examples : (N_EXAMPLES, width)

    Raises
    ------
    ConversionError
        The batch size is fixed, or they differ by more than TOLERANCE.
    """
    if isinstance(fixed := open_session(path).get_inputs()[0].shape[0], int):
        path.unlink()
        raise ConversionError(
            f"{path.name}: the network's code fixes the batch size at {fixed}: use x.shape[0] "
            "there, not len(x) or a number"
        )
    largest = max_difference(network, path, examples)
    if largest > TOLERANCE:
        path.unlink()
        raise ConversionError(
            f"{path.name}: PyTorch and ONNX Runtime differ by {largest:.2g}, {TOLERANCE:.0e} is "
            "allowed: look for noise, or for operators whose exported version differs"
        )
    return float(f"{largest:.2g}")


def max_difference(network: nn.Module, path: Path, examples: Tensor) -> float:
    """Largest difference between PyTorch and ONNX Runtime on examples (N_EXAMPLES, width).

    Infinite if an output is not finite or the shapes differ.
    """
    session = open_session(path)
    name = session.get_inputs()[0].name
    largest = 0.0
    for batch in torch.split(examples, list(BATCH_SIZES)):
        with torch.inference_mode():
            expected = network(batch).numpy()
        output = session.run(None, {name: batch.numpy()})[0]
        if expected.shape != output.shape or not np.isfinite(expected - output).all():
            return math.inf
        largest = max(largest, float(np.abs(expected - output).max()))
    return largest


def check_parts(path: Path, z: Tensor, steps: int) -> None:
    """Compares parts of a loop of so many steps, at every place, with the whole; z is (1, n).

    Raises
    ------
    ConversionError
        They differ by more than PART_TOLERANCE.
    """
    session = open_session(path)
    whole = session.run(None, {"z": z.numpy()})[0]
    frames = whole.shape[-1] // steps
    for first in range(steps):
        places = (first - MARGIN + np.arange(PART + 2 * MARGIN)) % steps
        part = session.run(None, {"z": z.numpy(), PLACES: places})[0]
        expected = np.roll(whole, -first * frames, axis=-1)[..., : PART * frames]
        if not np.abs(part - expected).max() <= PART_TOLERANCE:
            raise ConversionError(
                f"{path.name}: the part of the loop from frame {first * frames} on differs from "
                f"the whole by more than {PART_TOLERANCE:.0e}: the network is not circular"
            )


def check_spectrograms(spectrograms: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Requires (batch, 1, n_mels, n_frames), values in [-1, 1] and loops without a seam.

    Raises
    ------
    ConversionError
    """
    if spectrograms.shape != shape:
        found, expected = (" × ".join(map(str, s)) for s in (spectrograms.shape, shape))
        raise ConversionError(f"the generator returns {found}, a pack requires {expected}")
    if not (np.isfinite(spectrograms).all() and np.abs(spectrograms).max() <= 1.0):
        raise ConversionError(
            "the generator's output leaves [-1, 1] or is not finite: continue its training"
        )
    if not loop_closes(spectrograms):
        raise ConversionError("the loop does not close: its last frame does not meet its first")


def loop_closes(spectrograms: NDArray[np.float32], share: float = 1.0) -> bool:
    """Whether the step from the last frame to the first is no larger than other large steps.

    spectrograms : (batch, 1, n_mels, n_frames)
    share : of the limit; below 1 for loops that others of the same network will follow
    """
    steps = np.abs(np.diff(spectrograms, axis=3, append=spectrograms[..., :1])).mean(axis=(0, 1, 2))
    factor, offset = MAX_SEAM
    return bool(steps[-1] <= share * (factor * np.quantile(steps[:-1], 0.99) + offset))


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A network on one CPU thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def milliseconds(paths: list[Path], latent_dim: int, n: int = 25) -> list[float]:
    """Median CPU time of one spectrogram on one thread, for each generator.

    Thread time and interleaved runs, so that the load of the machine affects all of them alike.
    """
    sessions = [open_session(path) for path in paths]
    z = np.zeros((1, latent_dim), np.float32)
    times = np.empty((n, len(paths)))
    for run in range(n):
        for i, session in enumerate(sessions):
            start = time.thread_time()
            session.run(None, {"z": z})
            times[run, i] = 1e3 * (time.thread_time() - start)
    return [round(float(t), 1) for t in np.median(times, axis=0)]


def megabytes(path: Path) -> float:
    """Size of a file."""
    return round(path.stat().st_size / 1e6, 1)
