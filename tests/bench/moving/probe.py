"""A pack that answers an open mouth with another chord, at the cost of the pack it is made from.

What is heard of a new z is hard to tell in an artist's sounds, which move by themselves. Here a
closed mouth is one held chord and an open one another. The generator still does all the work of
the pack that it comes from; only its picture is exchanged.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import onnx
import yaml
from onnx import helper, numpy_helper

from latent_resonance.face_state import FEATURES
from latent_resonance.pack import Pack, open_pack, sha256_of
from latent_resonance.spectrogram import Geometry, mel_frequencies

CLOSED_HZ, OPEN_HZ = 150.0, 220.0  # fundamentals; the second is heard through a closed filter too
TURN, STEEP = 0.38, 400.0  # of mouth_open, between the photograph at rest (0.3) and opened (0.66)
REACH = 3.0  # of z for mouth_open, so that an opened mouth is as far away as in a trained pack
LINE_HZ = 6.0  # half width of a partial
LOUDEST, SOFTEST = 0.7, -1.0  # pixels
ONNX_OPSET = 18


def write_probe(pack_folder: Path, folder: Path) -> Path:
    """Writes the probe of a pack into a new folder; returns it."""
    pack = open_pack(pack_folder)
    folder.mkdir()
    onnx.save(_generator(pack), folder / "generator.onnx")
    onnx.save(_regressor(pack.latent_dim), folder / "regressor.onnx")
    shutil.copy(pack_folder / "README.md", folder)
    sheet = yaml.safe_load((pack_folder / "pack.yaml").read_text())
    names = ("generator.onnx", "regressor.onnx")
    sheet |= {
        "name": "probe",
        "anchors": [[0.0] * pack.latent_dim],
        "sha256": {name: sha256_of(folder / name) for name in names},
    }
    (folder / "pack.yaml").write_text(yaml.safe_dump(sheet))
    return folder


def chord(geometry: Geometry, fundamental_hz: float) -> np.ndarray:
    """(1, 1, n_mels, n_frames) of a held harmonic tone, each octave 4 dB softer."""
    band_hz = mel_frequencies(geometry)[1:-1]
    partials_hz = fundamental_hz * np.arange(1, int(0.9 * geometry.f_max_hz / fundamental_hz))
    away = np.abs(band_hz[:, None] - partials_hz)
    width_hz = np.maximum(LINE_HZ, np.gradient(band_hz))[:, None]
    softer = 0.1 * np.log2(partials_hz / fundamental_hz)
    lines = (LOUDEST - softer - SOFTEST) * np.exp(-0.5 * np.square(away / width_hz)) + SOFTEST
    column = lines.max(axis=1).astype(np.float32)
    return np.repeat(column[None, None, :, None], geometry.n_frames, axis=3)


def _generator(pack: Pack) -> onnx.ModelProto:
    """The pack's own network, run to its end, and one of two pictures as its result."""
    model = onnx.load(pack.generator)
    graph = model.graph
    for node in graph.node:
        node.output[:] = ["dreamt" if name == "spectrogram" else name for name in node.output]
    closed, opened = (chord(pack.geometry, hz) for hz in (CLOSED_HZ, OPEN_HZ))
    constants = {
        "probe_first": np.array([0]),
        "probe_turn": np.array([[TURN * REACH]], np.float32),
        "probe_steep": np.array([[STEEP / REACH]], np.float32),
        "probe_shape": np.array([-1, 1, 1, 1]),
        "probe_nothing": np.float32(0.0),
        "probe_closed": closed,
        "probe_change": opened - closed,
    }
    graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    graph.node.extend(
        [
            helper.make_node("Gather", ["z", "probe_first"], ["probe_mouth"], axis=1),
            helper.make_node("Sub", ["probe_mouth", "probe_turn"], ["probe_beyond"]),
            helper.make_node("Mul", ["probe_beyond", "probe_steep"], ["probe_logit"]),
            helper.make_node("Sigmoid", ["probe_logit"], ["probe_flat"]),
            helper.make_node("Reshape", ["probe_flat", "probe_shape"], ["probe_open"]),
            helper.make_node("Mul", ["probe_open", "probe_change"], ["probe_changed"]),
            helper.make_node("Add", ["probe_changed", "probe_closed"], ["probe_heard"]),
            helper.make_node("Mul", ["dreamt", "probe_nothing"], ["probe_cost"]),
            helper.make_node("Add", ["probe_heard", "probe_cost"], ["spectrogram"]),
        ]
    )
    onnx.checker.check_model(model)
    return model


def _regressor(latent_dim: int) -> onnx.ModelProto:
    """features (n, 16) -> z (n, latent_dim), all of it mouth_open."""
    weights = np.zeros((len(FEATURES), latent_dim), np.float32)
    weights[FEATURES.index("mouth_open")] = REACH
    values = [
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size])
        for name, size in (("features", len(FEATURES)), ("z", latent_dim))
    ]
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["features", "weights"], ["z"])],
        "probe",
        values[:1],
        values[1:],
        [numpy_helper.from_array(weights, "weights")],
    )
    opset = helper.make_opsetid("", ONNX_OPSET)
    return helper.make_model(graph, opset_imports=[opset], ir_version=10)
