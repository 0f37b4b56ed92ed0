"""Converts the two networks of a face_landmarker.task that the light tracker needs to ONNX.

A file is written only if ONNX Runtime computes the same outputs as LiteRT, Google's own runtime,
does from the original. In: the .task file (a zip). Out: two files and their differences.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance.pack import sha256_of
from latent_resonance_export.face.onnx_graph_builder import IMAGE, build_onnx
from latent_resonance_export.face.tflite import Shape, TfliteGraph, read_tflite
from latent_resonance_export.pack import ConversionError

Images = NDArray[np.float32]

TOLERANCE = 1e-5  # relative to the largest value of an output: rounding over some hundred layers
N_EXAMPLES = 8


@dataclass(frozen=True)
class NetworkSpec:
    """One network of the bundle.

    Attributes
    ----------
    member, file
        Its names in the .task and in models/.
    outputs
        Name and shape of each output to keep, in the order of the TFLite file.
    """

    member: str
    file: str
    outputs: tuple[tuple[str, Shape], ...]


NETWORKS = (
    NetworkSpec(
        "face_detector.tflite",
        "face_detector.onnx",
        (("boxes", (1, 896, 16)), ("scores", (1, 896))),
    ),
    NetworkSpec(
        "face_landmarks_detector.tflite",
        "face_landmarks.onnx",
        (("landmarks", (1, 478, 3)), ("presence", (1,))),
    ),
)


@dataclass(frozen=True)
class WrittenNetwork:
    """A written file, and its largest difference from the original, relative to the peak."""

    path: Path
    sha256: str
    difference: float


def convert_face(task: Path, folder: Path) -> list[WrittenNetwork]:
    """Writes both networks of a bundle into a folder.

    Raises
    ------
    ConversionError
        The bundle lacks one, uses an unsupported operator, or the two runtimes differ.
    """
    try:
        with zipfile.ZipFile(task) as bundle:
            originals = {source: bundle.read(source.member) for source in NETWORKS}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ConversionError(f"{task} is not a face landmarker bundle ({error})") from error
    return [_write(source, data, folder) for source, data in originals.items()]


def _write(source: NetworkSpec, original: bytes, folder: Path) -> WrittenNetwork:
    graph = read_tflite(original)
    kept = zip(graph.outputs, source.outputs, strict=False)  # further outputs are dropped
    model = build_onnx(graph, [(tensor, name, shape) for tensor, (name, shape) in kept])
    written = model.SerializeToString(deterministic=True)
    difference = max_difference(original, written, examples(graph))
    if not difference <= TOLERANCE:
        raise ConversionError(
            f"{source.file}: LiteRT and ONNX Runtime differ by {difference:.2g} of the largest "
            f"value, {TOLERANCE:.0e} is allowed; nothing was written"
        )
    path = folder / source.file
    with atomic_path(path) as beside:
        beside.write_bytes(written)
    return WrittenNetwork(path, sha256_of(path), float(f"{difference:.2g}"))


def examples(graph: TfliteGraph) -> Images:
    """Images of coarse and of fine noise in [0, 1]: (N_EXAMPLES, height, width, 3)."""
    rng = np.random.default_rng(0)
    _, height, width, channels = graph.shapes[graph.inputs[0]]
    images = rng.random((N_EXAMPLES, height, width, channels), np.float32)
    coarse = rng.random((N_EXAMPLES // 2, 8, 8, channels), np.float32)
    images[::2] = coarse.repeat(height // 8, axis=1).repeat(width // 8, axis=2)
    return images


def max_difference(original: bytes, written: bytes, images: Images) -> float:
    """The largest difference of any output, relative to its largest value; NaN for NaN."""
    expected, outputs = litert_outputs(original, images), onnx_outputs(written, images)
    return max(
        float(np.abs(a.ravel() - b.ravel()).max() / np.abs(a).max())
        for a, b in zip(expected, outputs, strict=False)
    )


def litert_outputs(network: bytes, images: Images) -> list[NDArray[np.float32]]:
    """The outputs of LiteRT, one array (n_images, ...) per output."""
    interpreter = Interpreter(model_content=network, num_threads=1)
    interpreter.allocate_tensors()
    (input_details,) = interpreter.get_input_details()
    rows = []
    for image in images:
        interpreter.set_tensor(input_details["index"], image[None])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def onnx_outputs(network: bytes, images: Images) -> list[NDArray[np.float32]]:
    """The outputs of ONNX Runtime, one array (n_images, ...) per output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    rows = [session.run(None, {IMAGE: image[None]}) for image in images]
    return [np.stack(column) for column in zip(*rows, strict=True)]
