"""A PyTorch network as an ONNX file, and whether the file does what the network does."""

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

AGREEMENT = 1e-4  # largest difference between PyTorch and ONNX Runtime
OPSET = 18  # every ONNX Runtime since 1.14 plays it
BATCHES = (1, 3, 16, 44)  # the sizes in which examples are compared: 64 in all
N_EXAMPLES = sum(BATCHES)
SEAM = (3.0, 0.01)  # how far the loop point may step: times the largest other step, plus


def export(network: nn.Module, example: Tensor, names: tuple[str, str], path: Path) -> None:
    """Writes one network with a free batch size, constants folded, everything in one file.

    Parameters
    ----------
    example : (2 or more, width) of the input
    names : of the input and of the output

    Raises
    ------
    ConversionError
        PyTorch cannot express the network in ONNX.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision; we do not
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
        ClearMetadataAndDocStringPass()(program.model)  # where on whose machine each line lay
        program.save(path, external_data=False)
    except Exception as error:  # the exporter hands on whatever a network's own code raises
        raise ConversionError(
            f"{path.name}: PyTorch cannot export this network ({innermost(error)}); build it of "
            "plain operators whose shapes follow the batch"
        ) from error


def innermost(error: BaseException) -> str:
    """The first line of what really went wrong, below the wrappers."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:160] if lines else type(error).__name__


def disagreement(network: nn.Module, path: Path, examples: Tensor) -> float:
    """Largest difference between PyTorch and ONNX Runtime on (N_EXAMPLES, width).

    Infinite if one is not finite or has another shape.
    """
    session = session_of(path)
    name = session.get_inputs()[0].name
    worst = 0.0
    for batch in examples.split(BATCHES):
        with torch.inference_mode():
            ours = network(batch).numpy()
        theirs = session.run(None, {name: batch.numpy()})[0]
        if ours.shape != theirs.shape or not np.isfinite(ours - theirs).all():
            return math.inf
        worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


def write_network(
    network: nn.Module, examples: Tensor, names: tuple[str, str], path: Path
) -> float:
    """Exports a network and returns by how much PyTorch and ONNX Runtime differ on it.

    Raises
    ------
    ConversionError
        It cannot be exported for any batch, or they differ by more than AGREEMENT.
    """
    export(network, examples[:2], names, path)
    if isinstance(fixed := session_of(path).get_inputs()[0].shape[0], int):
        path.unlink()
        raise ConversionError(
            f"{path.name}: the network's code fixes the batch at {fixed}: write x.shape[0] there, "
            "not len(x), and no numbers"
        )
    worst = disagreement(network, path, examples)
    if worst > AGREEMENT:
        path.unlink()
        raise ConversionError(
            f"{path.name}: PyTorch and ONNX Runtime differ by {worst:.2g}, {AGREEMENT:.0e} is "
            "allowed: look for noise, or for operators that compute otherwise when exported"
        )
    return float(f"{worst:.2g}")


def check_pictures(pictures: NDArray[np.float32], shape: tuple[int, ...]) -> None:
    """Refuses what is no (batch, 1, n_mels, n_frames), leaves [-1, 1], or has a seam.

    Raises
    ------
    ConversionError
    """
    if pictures.shape != shape:
        found, owed = (" × ".join(map(str, s)) for s in (pictures.shape, shape))
        raise ConversionError(f"the generator makes {found}, a pack plays {owed}")
    if not (np.isfinite(pictures).all() and np.abs(pictures).max() <= 1.0):
        raise ConversionError("the generator leaves [-1, 1] or is not finite; train on")
    if not closes(pictures):
        raise ConversionError("the loop does not close: its last frame does not meet its first")


def closes(pictures: NDArray[np.float32]) -> bool:
    """Whether the step from the last frame to the first is like the larger of the others."""
    change = np.abs(np.diff(pictures, axis=3, append=pictures[..., :1])).mean(axis=(0, 1, 2))
    times, plus = SEAM
    return bool(change[-1] <= times * np.quantile(change[:-1], 0.99) + plus)


def session_of(path: Path) -> onnxruntime.InferenceSession:
    """A network on one thread of this machine's processor."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def milliseconds(paths: list[Path], latent_dim: int, n: int = 25) -> list[float]:
    """Median processor time of one spectrogram on one thread, of generators that take turns.

    The thread's own time, and turns, so that whatever else the machine does meets them all alike.
    """
    sessions = [session_of(path) for path in paths]
    z = np.zeros((1, latent_dim), np.float32)
    times = np.empty((n, len(paths)))
    for turn in range(n):
        for i, session in enumerate(sessions):
            began = time.thread_time()
            session.run(None, {"z": z})
            times[turn, i] = 1e3 * (time.thread_time() - began)
    return [round(float(t), 1) for t in np.median(times, axis=0)]


def megabytes(path: Path) -> float:
    """Size of a file."""
    return round(path.stat().st_size / 1e6, 1)
