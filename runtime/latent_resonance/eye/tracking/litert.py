"""The landmark network on LiteRT, from MediaPipe's own file.

The only module that imports ai_edge_litert. On ARM, this network takes three quarters of the
instructions that it takes on ONNX Runtime (docs/decisions/012); elsewhere both take the same time,
and LiteRT is not installed. Runs in the eye's loop, or offline on the caller's thread. In: an image
of the network's size. Out: its raw outputs.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.eye.camera.image import Pixels
from latent_resonance.eye.tracking.onnx.face_mesh import SIDE
from latent_resonance.eye.tracking.tracker import BUNDLE, TrackerError, checked_model
from latent_resonance.linux.native_log import quiet_stderr

FloatArray = NDArray[np.float32]

MEMBER = "face_landmarks_detector.tflite"  # in the bundle


class LiteRtMesh:
    """Implements `ImageNetwork` with the landmark network.

    Parameters
    ----------
    models
        The folder of MediaPipe's bundle.
    threads
        How many it runs on.

    Raises
    ------
    TrackerError
        The bundle is missing or damaged, or cannot be run here.
    """

    side = SIDE

    def __init__(self, models: Path, threads: int = 1) -> None:
        with zipfile.ZipFile(io.BytesIO(checked_model(models / BUNDLE))) as bundle:
            network = bundle.read(MEMBER)
        try:
            with quiet_stderr():
                from ai_edge_litert.interpreter import Interpreter

                self._interpreter = Interpreter(model_content=network, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ImportError, RuntimeError, ValueError) as error:
            raise TrackerError(f"LiteRT cannot run {MEMBER} here: {_reason(error)}") from error
        (image,) = self._interpreter.get_input_details()
        landmarks, presence, *_ = self._interpreter.get_output_details()
        self._input, self._outputs = image["index"], (landmarks["index"], presence["index"])

    def run(self, patch: Pixels) -> tuple[FloatArray, FloatArray]:
        """The landmarks (478, 3) and the presence's logit (), for an image (side, side, 3).

        Raises
        ------
        TrackerError
            LiteRT fails.
        """
        self._fill(patch)
        try:
            self._interpreter.invoke()
        except (RuntimeError, ValueError) as error:
            raise TrackerError(f"{MEMBER} failed: {_reason(error)}") from error
        landmarks, presence = map(self._interpreter.get_tensor, self._outputs)
        return landmarks.reshape(-1, 3), presence.reshape(())

    def _fill(self, patch: Pixels) -> None:
        """Write an image, from 0 to 1, into the network's input; a view must not outlive a run."""
        image = self._interpreter.tensor(self._input)()
        np.multiply(patch, np.float32(1 / 255), out=image[0])


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0]
