"""Converts MediaPipe's face networks, which the trackers need, to ONNX.

Nothing is written unless ONNX Runtime computes the same outputs as LiteRT, Google's own runtime,
does from the originals. In: face_landmarker.task (a zip), and the file of the full-range detector.
Out: a file per network, and its difference.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance.pack import sha256_of
from latent_resonance.pack.archive import DAMAGED
from latent_resonance_export.face.onnx_model import build_onnx
from latent_resonance_export.face.tflite import Shape, TfliteGraph, read_tflite
from latent_resonance_export.pack import ConversionError

Examples = NDArray[np.float32]

TOLERANCE = 1e-5  # relative to the largest value of an output: rounding over some hundred layers
N_EXAMPLES = 8


def noise_images(shape: Shape) -> Examples:
    """Images of coarse and of fine noise in [0, 1]: (N_EXAMPLES, height, width, channels)."""
    rng = np.random.default_rng(0)
    _, height, width, channels = shape
    images = rng.random((N_EXAMPLES, height, width, channels), np.float32)
    coarse = rng.random((N_EXAMPLES // 2, 8, 8, channels), np.float32)
    images[::2] = coarse.repeat(height // 8, axis=1).repeat(width // 8, axis=2)
    return images


def signed_images(shape: Shape) -> Examples:
    """The same in [-1, 1]."""
    return 2 * noise_images(shape) - 1


def point_sets(shape: Shape) -> Examples:
    """Points of a face of some 100 to 400 pixels in an image: (N_EXAMPLES, points, 2)."""
    rng = np.random.default_rng(0)
    _, points, axes = shape
    middle = rng.uniform(200, 500, (N_EXAMPLES, 1, axes))
    size = rng.uniform(100, 400, (N_EXAMPLES, 1, 1))
    return (middle + size * rng.uniform(-0.5, 0.5, (N_EXAMPLES, points, axes))).astype(np.float32)


@dataclass(frozen=True)
class NetworkSpec:
    """One of MediaPipe's networks.

    Attributes
    ----------
    member, file
        Its names in the .task (none for the full-range detector) and in models/.
    input
        The name of its input.
    outputs
        Name and shape of each output to keep, in the order of the TFLite file.
    examples
        Inputs to compare both runtimes with, from the shape of its input.
    """

    member: str
    file: str
    input: str
    outputs: tuple[tuple[str, Shape], ...]
    examples: Callable[[Shape], Examples]


BUNDLED = (
    NetworkSpec(
        "face_landmarks_detector.tflite",
        "face_landmarks.onnx",
        "image",
        (("landmarks", (1, 478, 3)), ("presence", (1,))),
        noise_images,
    ),
    NetworkSpec(
        "face_blendshapes.tflite",
        "face_blendshapes.onnx",
        "landmarks",
        (("scores", (1, 52)),),
        point_sets,
    ),
)
FULL_RANGE = NetworkSpec(
    "",
    "face_detector_full_range.onnx",
    "image",
    (("boxes", (1, 2304, 16)), ("scores", (1, 2304))),
    signed_images,
)


@dataclass(frozen=True)
class ConvertedNetwork:
    """An ONNX file's name and content, and its largest difference from the original (relative)."""

    file: str
    data: bytes
    difference: float


@dataclass(frozen=True)
class WrittenNetwork:
    """A written file, and its largest difference from the original, relative to the peak."""

    path: Path
    sha256: str
    difference: float


def convert_face(task: Path, folder: Path, detector: Path | None = None) -> list[WrittenNetwork]:
    """Writes the networks of a bundle, and the full-range detector if given, into a folder.

    Raises
    ------
    ConversionError
        The bundle lacks one, a file is damaged, a network uses an unsupported operator, or the two
        runtimes differ. Then nothing is written.
    """
    originals = [(spec, f"{task}: {spec.member}", _member(task, spec.member)) for spec in BUNDLED]
    if detector is not None:
        originals.append((FULL_RANGE, str(detector), _content(detector)))
    converted = [convert_network(*original) for original in originals]
    return [_write(folder, network) for network in converted]


def _member(task: Path, name: str) -> bytes:
    try:
        with zipfile.ZipFile(task) as bundle:
            return bundle.read(name)
    except (OSError, KeyError, *DAMAGED) as error:
        raise ConversionError(f"{task} is not a face landmarker bundle ({error})") from error


def _content(detector: Path) -> bytes:
    try:
        return detector.read_bytes()
    except OSError as error:
        raise ConversionError(
            f"{detector} cannot be read ({error.strerror}); "
            "give MediaPipe's face_detection_full_range_sparse.tflite"
        ) from error


def convert_network(spec: NetworkSpec, name: str, original: bytes) -> ConvertedNetwork:
    """Converts the content of a TFLite file and compares both; errors say its name.

    Raises
    ------
    ConversionError
        See `convert_face`.
    """
    graph = read_tflite(name, original)
    model = build_onnx(graph, spec.input, _kept(spec, name, graph))
    converted = model.SerializeToString(deterministic=True)
    examples = spec.examples(graph.shapes[graph.inputs[0]])
    difference = max_difference(original, converted, examples)
    if not difference <= TOLERANCE:
        raise ConversionError(
            f"{spec.file}: LiteRT and ONNX Runtime differ by {difference:.2g} of the largest "
            f"value, {TOLERANCE:.0e} is allowed; nothing was written"
        )
    return ConvertedNetwork(spec.file, converted, float(f"{difference:.2g}"))


def _kept(spec: NetworkSpec, name: str, graph: TfliteGraph) -> list[tuple[int, str, Shape]]:
    """Tensor, name and shape of each output; further ones are dropped."""
    needed = [prod(shape) for _, shape in spec.outputs]
    found = [prod(graph.shapes[tensor]) for tensor in graph.outputs]
    if found[: len(needed)] != needed:
        raise ConversionError(
            f"{name} has outputs of {found} values, {spec.file} needs {needed}; "
            "give MediaPipe's own file"
        )
    kept = zip(graph.outputs, spec.outputs, strict=False)
    return [(tensor, output, shape) for tensor, (output, shape) in kept]


def _write(folder: Path, network: ConvertedNetwork) -> WrittenNetwork:
    path = folder / network.file
    with atomic_path(path) as beside:
        beside.write_bytes(network.data)
    return WrittenNetwork(path, sha256_of(path), network.difference)


def max_difference(original: bytes, converted: bytes, examples: Examples) -> float:
    """The largest difference of any output, relative to its largest value; NaN for NaN."""
    expected, outputs = litert_outputs(original, examples), onnx_outputs(converted, examples)
    return max(
        float(np.abs(a.ravel() - b.ravel()).max() / np.abs(a).max())
        for a, b in zip(expected, outputs, strict=False)
    )


def litert_outputs(network: bytes, examples: Examples) -> list[NDArray[np.float32]]:
    """The outputs of LiteRT, one array (n_examples, ...) per output."""
    interpreter = Interpreter(model_content=network, num_threads=1)
    interpreter.allocate_tensors()
    (input_details,) = interpreter.get_input_details()
    rows = []
    for example in examples:
        interpreter.set_tensor(input_details["index"], example[None])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def onnx_outputs(network: bytes, examples: Examples) -> list[NDArray[np.float32]]:
    """The outputs of ONNX Runtime, one array (n_examples, ...) per output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    rows = [session.run(None, {given.name: example[None]}) for example in examples]
    return [np.stack(column) for column in zip(*rows, strict=True)]
