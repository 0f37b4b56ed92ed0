"""Google's face networks as ONNX: the shipped files are what the converter writes."""

from __future__ import annotations

import contextlib
import dataclasses
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.support.clips import CLIPS, clip

from latent_resonance.eye.tracking import pose
from latent_resonance.eye.tracking.tracker import BUNDLE, FULL_RANGE, MODELS

onnx = pytest.importorskip("onnx")
networks = pytest.importorskip("latent_resonance_export.face.convert")
onnx_graph = pytest.importorskip("latent_resonance_export.face.onnx_model")
operators = pytest.importorskip("latent_resonance_export.face.onnx_operators")
tflite = pytest.importorskip("latent_resonance_export.face.tflite")
conversion = pytest.importorskip("latent_resonance_export.pack")

ORIGINAL = "face_detection_full_range_sparse.tflite"
TASK = Path(__file__).parents[2] / "models" / BUNDLE


def member(name: str) -> bytes:
    with zipfile.ZipFile(TASK) as bundle:
        return bundle.read(name)


def test_the_shipped_networks_are_converted_from_googles_bundle(tmp_path: Path) -> None:
    written = networks.convert_face(TASK, tmp_path)
    assert {each.path.name: each.sha256 for each in written} == {
        name: sha256 for name, sha256 in MODELS.items() if name not in (BUNDLE, FULL_RANGE)
    }
    assert all(each.difference <= networks.TOLERANCE for each in written)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "expected"),
    [
        (128, 5, 2, (1, 2)),
        (64, 3, 1, (1, 1)),
        (64, 3, 2, (0, 1)),
        (64, 2, 2, (0, 0)),
        (5, 3, 2, (1, 1)),
    ],
)
def test_padding_is_tensorflows_own(
    size: int, kernel: int, stride: int, expected: tuple[int, int]
) -> None:
    assert operators.padding(size, kernel, stride) == expected


def test_a_changed_network_is_detected() -> None:
    spec = networks.BUNDLED[0]
    original = member(spec.member)
    converted = networks.convert_network(spec, spec.member, original)
    assert converted.difference < networks.TOLERANCE
    model = onnx.load_from_string(converted.data)
    images = spec.examples((1, 256, 256, 3))
    weights = next(each for each in model.graph.initializer if each.data_type == 10)  # float16
    changed = np.frombuffer(weights.raw_data, np.float16) * np.float16(1.01)
    weights.raw_data = changed.tobytes()
    assert networks.max_difference(original, model.SerializeToString(), images) > 1e-4


def test_an_unsupported_operator_is_named() -> None:
    graph = tflite.read_tflite("blendshapes", member("face_blendshapes.tflite"))
    first = dataclasses.replace(graph.operators[0], kind="FILL")
    other = dataclasses.replace(graph, operators=(first, *graph.operators[1:]))
    with pytest.raises(conversion.ConversionError, match="TFLite's FILL is not supported"):
        onnx_graph.build_onnx(other, "landmarks", [(graph.outputs[0], "scores", (1, 52))])


@pytest.mark.parametrize("content", [b"", b"some text", b"PK\x05\x06" + bytes(18)])
def test_an_invalid_bundle_is_refused_and_nothing_is_written(
    tmp_path: Path, content: bytes
) -> None:
    task = tmp_path / "other.task"
    task.write_bytes(content)
    with pytest.raises(conversion.ConversionError, match="is not a face landmarker bundle"):
        networks.convert_face(task, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.task"]


def test_a_bundle_with_invalid_networks_is_refused(tmp_path: Path) -> None:
    task = tmp_path / "other.task"
    with zipfile.ZipFile(task, "w") as bundle:
        for source in networks.BUNDLED:
            bundle.writestr(source.member, b"not a network at all")
    message = r"other.task: face_landmarks_detector.tflite is not a TFLite file"
    with pytest.raises(conversion.ConversionError, match=message):
        networks.convert_face(task, tmp_path)


@pytest.mark.skipif(
    not (CLIPS and (CLIPS / ORIGINAL).exists()),
    reason=f"set LATENT_RESONANCE_CLIPS to a folder with MediaPipe's {ORIGINAL}",
)
def test_the_shipped_full_range_detector_is_converted_from_googles_file(tmp_path: Path) -> None:
    *_, detector = networks.convert_face(TASK, tmp_path, clip(ORIGINAL))
    assert (detector.path.name, detector.sha256) == (FULL_RANGE, MODELS[FULL_RANGE])
    assert detector.difference <= networks.TOLERANCE


DETECTORS = {
    "missing": (None, "cannot be read (No such file or directory); give MediaPipe's"),
    "a zip": (b"PK\x05\x06" + bytes(18), "is not a TFLite file; give MediaPipe's own"),
    "cut off": (member("face_detector.tflite")[:100_000], "is damaged ("),
    "short-range": (
        member("face_detector.tflite"),
        "has outputs of [14336, 896] values, face_detector_full_range.onnx needs [36864, 2304]",
    ),
}


@pytest.mark.parametrize("fault", DETECTORS)
def test_a_wrong_detector_is_a_one_line_error_and_nothing_is_written(
    tmp_path: Path, fault: str
) -> None:
    content, message = DETECTORS[fault]
    detector, folder = tmp_path / "detector.tflite", tmp_path / "models"
    folder.mkdir()
    if content is not None:
        detector.write_bytes(content)
    with pytest.raises(conversion.ConversionError, match=r"^[^\n]+$") as caught:
        networks.convert_face(TASK, folder, detector)
    assert str(caught.value).startswith(f"{detector} {message}")
    assert not list(folder.iterdir())


def damaged(data: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    changed = bytearray(data)
    for at in rng.integers(8, len(data), 40):
        changed[at] = rng.integers(256)
    return bytes(changed)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_network_is_read_or_refused_but_never_raises_another_error(seed: int) -> None:
    original = damaged(member("face_blendshapes.tflite"), seed)
    with contextlib.suppress(conversion.ConversionError):
        tflite.read_tflite("blendshapes", original)


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value, shift, at = value | (byte & 127) << shift, shift + 7, at + 1
        if byte < 128:
            return value, at


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protocol buffer: numbers of any length, and bytes of 4 or of any number."""
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        if tag & 7 == 0:
            value, at = varint(message, at)
            yield tag >> 3, value
            continue
        length, at = (4, at) if tag & 7 == 5 else varint(message, at)
        yield tag >> 3, message[at : at + length]
        at += length


def test_the_canonical_face_is_that_of_the_bundle() -> None:
    """GeometryPipelineMetadata: 1 is the mesh, with x, y, z, u, v as 3; 2 is the basis."""
    metadata = list(fields(member("geometry_pipeline_metadata_landmarks.binarypb")))
    (mesh,) = (value for number, value in metadata if number == 1)
    vertices = b"".join(value for number, value in fields(mesh) if number == 3)
    points = np.frombuffer(vertices, "<f4").reshape(468, 5)[:, :3]
    basis = [dict(fields(value)) for number, value in metadata if number == 2]
    weights = {each[1]: struct.unpack("<f", each[2])[0] for each in basis}
    assert sorted(weights) == sorted(pose.POSE_LANDMARKS)
    assert np.allclose(points[pose.POSE_LANDMARKS], pose.CANONICAL, atol=1e-6)
    expected = np.array([weights[i] for i in pose.POSE_LANDMARKS])
    assert np.allclose(expected / expected.sum(), pose.WEIGHTS, rtol=1e-6)
