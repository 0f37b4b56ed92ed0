"""The two networks of a face_landmarker.task that the light tracker needs, as ONNX files.

Neither is written unless ONNX Runtime computes from it what LiteRT, Google's own runtime, computes
from the original. In: the .task file (a zip). Out: two files in a folder, and how far they differ.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from latent_resonance.audio.wav import written_beside
from latent_resonance.pack import sha256_of
from latent_resonance_export.face.onnx_graph_builder import IMAGE, onnx_of
from latent_resonance_export.face.tflite import Shape, TfliteGraph, read_tflite
from latent_resonance_export.pack import ConversionError

Images = NDArray[np.float32]

AGREEMENT = 1e-5  # of the largest value of an output: rounding, over some hundred layers
N_EXAMPLES = 8


@dataclass(frozen=True)
class Source:
    """One network in the bundle.

    Attributes
    ----------
    member, file
        Its name in the .task and in models/.
    outputs
        Name and shape of the outputs that are kept, in the order of the TFLite file.
    """

    member: str
    file: str
    outputs: tuple[tuple[str, Shape], ...]


SOURCES = (
    Source(
        "face_detector.tflite",
        "face_detector.onnx",
        (("boxes", (1, 896, 16)), ("scores", (1, 896))),
    ),
    Source(
        "face_landmarks_detector.tflite",
        "face_landmarks.onnx",
        (("landmarks", (1, 478, 3)), ("presence", (1,))),
    ),
)


@dataclass(frozen=True)
class Written:
    """A file, and the largest difference to the original relative to the largest value."""

    path: Path
    sha256: str
    difference: float


def convert_face(task: Path, folder: Path) -> list[Written]:
    """Writes both networks of a bundle into a folder.

    Raises
    ------
    ConversionError
        The bundle lacks one, or it cannot be expressed, or the two runtimes disagree.
    """
    try:
        with zipfile.ZipFile(task) as bundle:
            originals = {source: bundle.read(source.member) for source in SOURCES}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ConversionError(f"{task} is no face landmarker bundle ({error})") from error
    return [_write(source, data, folder) for source, data in originals.items()]


def _write(source: Source, original: bytes, folder: Path) -> Written:
    graph = read_tflite(original)
    target = zip(graph.outputs, source.outputs, strict=False)  # the rest is left out
    model = onnx_of(graph, [(tensor, name, shape) for tensor, (name, shape) in target])
    written = model.SerializeToString(deterministic=True)
    difference = disagreement(original, written, examples(graph))
    if not difference <= AGREEMENT:
        raise ConversionError(
            f"{source.file}: LiteRT and ONNX Runtime differ by {difference:.2g} of the largest "
            f"value, {AGREEMENT:.0e} is allowed; nothing was written"
        )
    path = folder / source.file
    with written_beside(path) as beside:
        beside.write_bytes(written)
    return Written(path, sha256_of(path), float(f"{difference:.2g}"))


def examples(graph: TfliteGraph) -> Images:
    """Images of smooth and of rough noise in [0, 1], (N_EXAMPLES, height, width, 3)."""
    rng = np.random.default_rng(0)
    _, height, width, channels = graph.shapes[graph.inputs[0]]
    rough = rng.random((N_EXAMPLES, height, width, channels), np.float32)
    coarse = rng.random((N_EXAMPLES // 2, 8, 8, channels), np.float32)
    rough[::2] = coarse.repeat(height // 8, axis=1).repeat(width // 8, axis=2)
    return rough


def disagreement(original: bytes, written: bytes, images: Images) -> float:
    """The largest difference of any output, over its own largest value; NaN if one is."""
    theirs, ours = litert_outputs(original, images), onnx_outputs(written, images)
    return max(
        float(np.abs(their.ravel() - our.ravel()).max() / np.abs(their).max())
        for their, our in zip(theirs, ours, strict=False)
    )


def litert_outputs(network: bytes, images: Images) -> list[NDArray[np.float32]]:
    """What Google's runtime computes of each image, one array for each output."""
    interpreter = Interpreter(model_content=network, num_threads=1)
    interpreter.allocate_tensors()
    (image,) = interpreter.get_input_details()
    rows = []
    for each in images:
        interpreter.set_tensor(image["index"], each[None])
        interpreter.invoke()
        rows.append([interpreter.get_tensor(o["index"]) for o in interpreter.get_output_details()])
    return [np.stack(column) for column in zip(*rows, strict=True)]


def onnx_outputs(network: bytes, images: Images) -> list[NDArray[np.float32]]:
    """What ONNX Runtime computes of each image, one array for each output."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
    rows = [session.run(None, {IMAGE: each[None]}) for each in images]
    return [np.stack(column) for column in zip(*rows, strict=True)]
