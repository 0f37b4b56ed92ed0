"""The face networks on ONNX Runtime.

The only module of the eye that imports onnxruntime. Runs in the eye's loop, or offline on the
caller's thread. In: an image of the network's size, or landmarks. Out: its raw outputs.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Disables telemetry; read at the import, see voice/synthesis/networks.py.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import onnxruntime

from latent_resonance.eye.camera.image import Pixels
from latent_resonance.eye.tracking import tracker
from latent_resonance.eye.tracking.tracker import TrackerError, checked_model

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class InputSpec:
    """An image network's file and input format.

    Attributes
    ----------
    file
        Its name in the models folder.
    side
        Width and height of its input, pixels.
    low, high
        The values of black and white (the original files' `NormalizationOptions`).
    """

    file: str
    side: int
    low: float
    high: float


FULL_RANGE = InputSpec(tracker.FULL_RANGE, side=192, low=-1.0, high=1.0)
MESH = InputSpec(tracker.MESH, side=256, low=0.0, high=1.0)


class Network:
    """An inference session of one network whose input is an image.

    Parameters
    ----------
    threads
        How many it runs on, the caller's among them.

    Raises
    ------
    TrackerError
        Its file is missing or damaged, or cannot be run here.
    """

    def __init__(self, folder: Path, spec: InputSpec, threads: int = 1) -> None:
        self.side = spec.side
        self._scale, self._low = np.float32((spec.high - spec.low) / 255), np.float32(spec.low)
        self._input = np.empty((1, spec.side, spec.side, 3), np.float32)
        self._file, self._session = spec.file, _open(folder / spec.file, threads)

    def run(self, patch: Pixels) -> tuple[FloatArray, FloatArray]:
        """Both outputs for an image of shape (side, side, 3), without the batch dimension.

        Raises
        ------
        TrackerError
            ONNX Runtime fails.
        """
        np.multiply(patch, self._scale, out=self._input[0])
        self._input += self._low
        first, second = _run(self._session, self._file, {"image": self._input})
        return first[0], second[0]


class BlendshapeNetwork:
    """An inference session of the network that scores blendshapes; its input is landmarks.

    Raises
    ------
    TrackerError
        As for `Network`.
    """

    def __init__(self, folder: Path) -> None:
        self._session = _open(folder / tracker.BLENDSHAPES, threads=1)

    def run(self, points: FloatArray) -> FloatArray:
        """The scores, shape (52,), for points of shape (1, 146, 2).

        Raises
        ------
        TrackerError
            ONNX Runtime fails.
        """
        (scores,) = _run(self._session, tracker.BLENDSHAPES, {"landmarks": points})
        return scores.reshape(-1)


def _open(path: Path, threads: int) -> onnxruntime.InferenceSession:
    data = checked_model(path)
    try:
        options, providers = _options(threads), ["CPUExecutionProvider"]
        return onnxruntime.InferenceSession(data, options, providers=providers)
    except Exception as error:  # onnxruntime's own exceptions share no other base class
        raise TrackerError(f"{path.name} cannot be run here: {_reason(error)}") from error


def _run(
    session: onnxruntime.InferenceSession, file: str, inputs: dict[str, FloatArray]
) -> list[FloatArray]:
    try:
        outputs: list[FloatArray] = session.run(None, inputs)
    except Exception as error:  # onnxruntime's own exceptions share no other base class
        raise TrackerError(f"{file} failed: {_reason(error)}") from error
    return outputs


def _options(threads: int) -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # A thread that waits for work sleeps: the voice needs the core that it would keep busy.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3  # errors only; they are raised as exceptions too
    options.enable_mem_pattern = False  # saves 8 MiB, costs 0.2 ms of 7 ms an image
    return options


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
