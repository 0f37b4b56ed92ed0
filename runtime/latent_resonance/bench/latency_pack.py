"""A pack that answers an open mouth with another chord, at the cost of the pack it is made from.

What is heard of a new z is hard to tell in an artist's sounds, which move by themselves. Here a
closed mouth is one held chord and an open one another. The generator still does all the work of
the pack that it comes from; only its picture is exchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import yaml

from latent_resonance.audio.spectrogram import FloatArray, Geometry, mel_frequencies
from latent_resonance.bench.onnx_file import (
    GRAPH,
    GRAPH_NAME,
    INPUT,
    NODE,
    NODE_OUTPUT,
    OUTPUT,
    Field,
    constant,
    fields,
    message,
    model,
    node,
    rows,
)
from latent_resonance.face_state import FEATURES
from latent_resonance.pack import SHEET, Pack, PackError, sha256_of

CLOSED_HZ, OPEN_HZ = 150.0, 220.0  # fundamentals; the second is heard through a closed filter too
TURN, STEEP = 0.3, 400.0  # of mouth_open, between the drawn face at rest (0) and agape (0.6)
REACH = 3.0  # of z for mouth_open, so that an opened mouth is as far away as in a trained pack
LINE_HZ = 6.0  # half width of a partial
LOUDEST, SOFTEST = 0.7, -1.0  # pixels
IR_VERSION, OPSET = 10, 18  # of the regressor


def write_probe(pack: Pack, folder: Path, turn: float = TURN) -> Path:
    """Writes the probe of a pack into a new folder; returns it.

    Parameters
    ----------
    turn : the mouth_open at which one chord becomes the other

    Raises
    ------
    PackError
        Its generator cannot be read.
    """
    try:
        generator = generator_of(pack, turn)
    except ValueError as error:
        raise PackError(f"{pack.generator}: not a network; export the pack again") from error
    folder.mkdir()
    networks = {"generator.onnx": generator, "regressor.onnx": _regressor(pack.latent_dim)}
    for name, content in networks.items():
        (folder / name).write_bytes(content)
    sheet = yaml.safe_load((pack.folder / SHEET).read_text(encoding="utf-8")) | {
        "name": "probe",
        "anchors": [[0.0] * pack.latent_dim],
        "sha256": {name: sha256_of(folder / name) for name in networks},
    }
    (folder / SHEET).write_text(yaml.safe_dump(sheet), encoding="utf-8")
    return folder


def chord(geometry: Geometry, fundamental_hz: float) -> FloatArray:
    """(1, 1, n_mels, n_frames) of a held harmonic tone, each octave 4 dB softer."""
    band_hz = mel_frequencies(geometry)[1:-1]
    partials_hz = fundamental_hz * np.arange(1, int(0.9 * geometry.f_max_hz / fundamental_hz))
    away = np.abs(band_hz[:, None] - partials_hz)
    width_hz = np.maximum(LINE_HZ, np.gradient(band_hz))[:, None]
    softer = 0.1 * np.log2(partials_hz / fundamental_hz)
    lines = (LOUDEST - softer - SOFTEST) * np.exp(-0.5 * np.square(away / width_hz)) + SOFTEST
    column = lines.max(axis=1).astype(np.float32)
    return np.repeat(column[None, None, :, None], geometry.n_frames, axis=3)


def generator_of(pack: Pack, turn: float) -> bytes:
    """The pack's own network, run to its end, and one of two pictures as its result.

    Raises
    ------
    ValueError
        It is no network.
    """
    whole = pack.generator.read_bytes()
    return message(
        (number, message([*_dreamt(value), *_exchange(pack, turn)]) if number == GRAPH else value)
        for number, value in fields(whole)
    )


def _dreamt(graph: bytes) -> Iterator[Field]:
    """The parts of a graph, with another name for what it makes."""
    for number, value in fields(graph):
        if number == NODE:
            renamed = [
                (what, b"dreamt") if (what, name) == (NODE_OUTPUT, b"spectrogram") else (what, name)
                for what, name in fields(value)
            ]
            yield number, message(renamed)
        else:
            yield number, value


def _exchange(pack: Pack, turn: float) -> Iterator[Field]:
    """The rest of the graph: z of the mouth, how far beyond `turn` it is, which chord."""
    closed, opened = (chord(pack.geometry, hz) for hz in (CLOSED_HZ, OPEN_HZ))
    steep = np.full((pack.latent_dim, 1), STEEP / REACH / pack.latent_dim, np.float32)
    yield constant("probe_steep", steep)
    yield constant("probe_turn", np.array([[STEEP * turn]], np.float32))
    yield constant("probe_shape", np.array([-1, 1, 1, 1]))
    yield constant("probe_nothing", np.array([0.0], np.float32))
    yield constant("probe_closed", closed)
    yield constant("probe_change", opened - closed)
    yield node("MatMul", ["z", "probe_steep"], "probe_mouth")
    yield node("Sub", ["probe_mouth", "probe_turn"], "probe_logit")
    yield node("Sigmoid", ["probe_logit"], "probe_flat")
    yield node("Reshape", ["probe_flat", "probe_shape"], "probe_open")
    yield node("Mul", ["probe_open", "probe_change"], "probe_changed")
    yield node("Add", ["probe_changed", "probe_closed"], "probe_heard")
    yield node("Mul", ["dreamt", "probe_nothing"], "probe_cost")
    yield node("Add", ["probe_heard", "probe_cost"], "spectrogram")


def _regressor(latent_dim: int) -> bytes:
    """Maps features (n, 16) to z (n, latent_dim), all of it mouth_open."""
    weights = np.zeros((len(FEATURES), latent_dim), np.float32)
    weights[FEATURES.index("mouth_open")] = REACH
    graph = [
        node("MatMul", ["features", "weights"], "z"),
        (GRAPH_NAME, b"probe"),
        constant("weights", weights),
        rows(INPUT, "features", len(FEATURES)),
        rows(OUTPUT, "z", latent_dim),
    ]
    return model(message(graph), IR_VERSION, OPSET)
