"""Exports a PyTorch network to ONNX and compares the outputs of both."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch import Tensor, nn

from latent_resonance_export.pack import ConversionError

TOLERANCE = 1e-4  # largest difference between PyTorch and ONNX Runtime
OPSET = 18  # supported by every ONNX Runtime since 1.14
BATCH_SIZES = (1, 3, 16, 44)  # of the comparison: 64 examples in all
N_EXAMPLES = sum(BATCH_SIZES)
MAX_SEAM = (3.0, 0.01)  # limit of the step at the loop point: factor of the other steps, plus


def export(network: nn.Module, example: Tensor, names: tuple[str, str], path: Path) -> None:
    """Writes a network to one file, with a dynamic batch size and folded constants.

    Parameters
    ----------
    example : input of shape (2 or more, width)
    names : of the input and the output

    Raises
    ------
    ConversionError
        PyTorch cannot express the network in ONNX.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # else it warns about torchvision
    batch = torch.export.Dim("batch", min=1, max=64)
    try:
        program = torch.onnx.export(
            network.eval(),
            (example,),
            input_names=[names[0]],
            output_names=[names[1]],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            opset_version=OPSET,
            optimize=True,  # folds constants
            verbose=False,
        )
        assert program is not None  # dynamo=True returns a program
        ClearMetadataAndDocStringPass()(program.model)  # source paths of this machine
        program.save(path, external_data=False)
    except Exception as error:  # the exporter passes on whatever a network's own code raises
        raise ConversionError(
            f"{path.name}: PyTorch cannot export this network ({root_cause(error)}); use plain "
            "operators whose shapes depend on the batch size"
        ) from error


def root_cause(error: BaseException) -> str:
    """The first line of the innermost error in a chain of causes."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__


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


def write_network(
    network: nn.Module, examples: Tensor, names: tuple[str, str], path: Path
) -> float:
    """Exports a network and returns the largest difference between PyTorch and ONNX Runtime.

    Raises
    ------
    ConversionError
        It cannot be exported for every batch size, or they differ by more than TOLERANCE.
    """
    export(network, examples[:2], names, path)
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


def loop_closes(spectrograms: NDArray[np.float32]) -> bool:
    """Whether the step from the last frame to the first is no larger than other large steps."""
    steps = np.abs(np.diff(spectrograms, axis=3, append=spectrograms[..., :1])).mean(axis=(0, 1, 2))
    factor, offset = MAX_SEAM
    return bool(steps[-1] <= factor * np.quantile(steps[:-1], 0.99) + offset)


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
