"""A pack for latency measurements: an open mouth changes the chord.

The onset of a new z is hard to detect in an artist's sounds, which change by themselves. Here a
closed mouth is one held chord and an open mouth another. The generator still does all the work of
the pack that it is made from; only its output is replaced.
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
from latent_resonance.pack import MANIFEST, Pack, PackError, sha256_of

CLOSED_HZ, OPEN_HZ = 190.0, 285.0  # fundamentals; both pass a closed filter
THRESHOLD, STEEPNESS = 0.3, 400.0  # mouth_open of the synthetic face: 0 closed, 0.6 wide open
Z_SCALE = 3.0  # z per mouth_open, so that an open mouth moves z as far as in a trained pack
PARTIAL_WIDTH_HZ = 6.0  # half width of a partial
MAX_PIXEL, MIN_PIXEL = 0.7, -1.0  # of a spectrogram
IR_VERSION, OPSET = 10, 18  # of the regressor


def write_latency_pack(pack: Pack, folder: Path, threshold: float = THRESHOLD) -> Path:
    """Write the latency pack made from a pack into a new folder; return the folder.

    Parameters
    ----------
    threshold : the mouth_open at which the chord changes

    Raises
    ------
    PackError
        Its generator cannot be read.
    """
    try:
        generator = generator_of(pack, threshold)
    except ValueError as error:
        raise PackError(f"{pack.generator}: not a network; export the pack again") from error
    folder.mkdir()
    networks = {"generator.onnx": generator, "regressor.onnx": _regressor(pack.latent_dim)}
    for name, content in networks.items():
        (folder / name).write_bytes(content)
    manifest = yaml.safe_load((pack.folder / MANIFEST).read_text(encoding="utf-8")) | {
        "name": "latency",
        "anchors": [[0.0] * pack.latent_dim],
        "sha256": {name: sha256_of(folder / name) for name in networks},
    }
    (folder / MANIFEST).write_text(yaml.safe_dump(manifest), encoding="utf-8")
    return folder


def chord(geometry: Geometry, fundamental_hz: float) -> FloatArray:
    """Spectrogram (1, 1, n_mels, n_frames) of a held harmonic tone, falling by 6 dB an octave."""
    band_hz = mel_frequencies(geometry)[1:-1]
    partials_hz = fundamental_hz * np.arange(1, int(0.9 * geometry.f_max_hz / fundamental_hz))
    distance_hz = np.abs(band_hz[:, None] - partials_hz)
    width_hz = np.maximum(PARTIAL_WIDTH_HZ, np.gradient(band_hz))[:, None]
    heights = MAX_PIXEL - 0.15 * np.log2(partials_hz / fundamental_hz) - MIN_PIXEL
    lines = heights * np.exp(-0.5 * np.square(distance_hz / width_hz)) + MIN_PIXEL
    column = lines.max(axis=1).astype(np.float32)
    return np.repeat(column[None, None, :, None], geometry.n_frames, axis=3)


def generator_of(pack: Pack, threshold: float) -> bytes:
    """The pack's whole network with one of two chords as its output.

    Raises
    ------
    ValueError
        The file is not an ONNX network.
    """
    return message(
        (number, message([*_renamed_output(value), *_chord_switch(pack, threshold)]))
        if number == GRAPH and isinstance(value, bytes)
        else (number, value)
        for number, value in fields(pack.generator.read_bytes())
    )


def _renamed_output(graph: bytes) -> Iterator[Field]:
    """The fields of a graph, with its output renamed."""
    for number, value in fields(graph):
        if number == NODE and isinstance(value, bytes):
            yield number, message(map(_renamed, fields(value)))
        else:
            yield number, value


def _renamed(field: Field) -> Field:
    return (NODE_OUTPUT, b"generated") if field == (NODE_OUTPUT, b"spectrogram") else field


def _chord_switch(pack: Pack, threshold: float) -> Iterator[Field]:
    """The rest of the graph: mouth_open from z, compared with `threshold`, selects the chord.

    The generated spectrogram is multiplied by 0 and added, so that it must still be computed.
    """
    held = slice(0, 1)  # one frame stands for all, of a whole loop or of a part
    closed, opened = (chord(pack.geometry, hz)[..., held] for hz in (CLOSED_HZ, OPEN_HZ))
    weights = np.full((pack.latent_dim, 1), STEEPNESS / Z_SCALE / pack.latent_dim, np.float32)
    yield constant("latency_weights", weights)
    yield constant("latency_threshold", np.array([[STEEPNESS * threshold]], np.float32))
    yield constant("latency_shape", np.array([-1, 1, 1, 1]))
    yield constant("latency_zero", np.array([0.0], np.float32))
    yield constant("latency_closed", closed)
    yield constant("latency_change", opened - closed)
    yield node("MatMul", ["z", "latency_weights"], "latency_mouth")
    yield node("Sub", ["latency_mouth", "latency_threshold"], "latency_logit")
    yield node("Sigmoid", ["latency_logit"], "latency_flat")
    yield node("Reshape", ["latency_flat", "latency_shape"], "latency_open")
    yield node("Mul", ["latency_open", "latency_change"], "latency_changed")
    yield node("Add", ["latency_changed", "latency_closed"], "latency_chord")
    yield node("Mul", ["generated", "latency_zero"], "latency_cost")
    yield node("Add", ["latency_chord", "latency_cost"], "spectrogram")


def _regressor(latent_dim: int) -> bytes:
    """A network from features (n, 16) to z (n, latent_dim) that uses mouth_open alone."""
    weights = np.zeros((len(FEATURES), latent_dim), np.float32)
    weights[FEATURES.index("mouth_open")] = Z_SCALE
    graph = [
        node("MatMul", ["features", "weights"], "z"),
        (GRAPH_NAME, b"latency"),
        constant("weights", weights),
        rows(INPUT, "features", len(FEATURES)),
        rows(OUTPUT, "z", latent_dim),
    ]
    return model(message(graph), IR_VERSION, OPSET)
