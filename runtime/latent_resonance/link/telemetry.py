"""Telemetry messages from the voice to a monitor. Pure.

Three kinds of messages, little-endian, each with a magic of four bytes and a version:

    LRCO   columns   about twelve a second: spectrogram of the output, and of what is generated,
                     one byte per mel band and spectrogram; version 1 has only the output's
    LREN   energies  thirty a second: the current features, level and latency
    LRRE   report    two a second: the state of the voice, as JSON

No message has a field for an image or for landmarks.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURES, FeatureVector, clip_features

VERSION = 1  # of energies and reports
COLUMNS_VERSION = 2
MAX_COLUMNS = 64  # in one message
MAX_BANDS = 512
MAX_BYTES = 64 * 1024  # of a message
FLOOR_DB = -120.0  # stands for silence
_COLUMNS = struct.Struct("<4sBBHIq")  # magic, version, columns, bands, sequence, time in ns
_ENERGIES = struct.Struct(f"<4sBBBxIq2f{len(FEATURES)}f")
COLUMNS, ENERGIES, REPORT = b"LRCO", b"LREN", b"LRRE"
READABLE = {COLUMNS: (1, COLUMNS_VERSION), ENERGIES: (VERSION,), REPORT: (VERSION,)}
SCENES = ("empty", "greet", "play", "farewell", "closed")  # LREN has the index


class TelemetryError(ValueError):
    """A message is malformed or of another version."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The newest columns of the output's spectrogram, and those generated that sound in them.

    Attributes
    ----------
    sequence : number of the first column, counted from the voice's start
    time_ns : CLOCK_MONOTONIC when the last column was computed
    levels : (columns, bands) uint8; 0 is `picture_range_db` below full scale, 255 full scale
    generated : same shape and scale; before the band-pass, at the gain of the output
    """

    sequence: int
    time_ns: int
    levels: NDArray[np.uint8]
    generated: NDArray[np.uint8]

    def encode(self) -> bytes:
        """The message in its wire format."""
        columns, bands = self.levels.shape
        size = (columns, bands)
        head = _COLUMNS.pack(COLUMNS, COLUMNS_VERSION, *size, self.sequence, self.time_ns)
        return head + self.levels.tobytes() + self.generated.tobytes()


@dataclass(frozen=True, eq=False)
class Energies:
    """Features, level and latency at one moment.

    Attributes
    ----------
    sequence : increases by one
    time_ns : CLOCK_MONOTONIC
    scene : of SCENES
    present : whether a face is detected
    level_db : RMS of the last hops, dBFS, at least FLOOR_DB
    latency_s : from the newest image to the speaker; nan without an image
    features : (16,), in the order of FEATURES
    """

    sequence: int
    time_ns: int
    scene: str
    present: bool
    level_db: float
    latency_s: float
    features: FeatureVector

    def encode(self) -> bytes:
        """The message in its wire format."""
        scene = SCENES.index(self.scene)
        numbers = (self.level_db, self.latency_s, *self.features.tolist())
        head = (ENERGIES, VERSION, scene, self.present, self.sequence, self.time_ns)
        return _ENERGIES.pack(*head, *numbers)

    @property
    def named(self) -> dict[str, float]:
        """The features by name."""
        return dict(zip(FEATURES, map(float, self.features), strict=True))


@dataclass(frozen=True)
class Report:
    """The state of the voice; totals count from its start.

    The field names are the keys of the JSON message.
    """

    build: str  # version of the program
    uptime_s: float
    doing: str  # status in words
    scene: str  # of SCENES
    pack: str
    packs: tuple[str, ...]  # that can be requested
    images_per_s: float
    visits: int
    played_s: float  # for visitors
    underflows: int
    faults: dict[str, int]  # count by kind
    news: tuple[tuple[float, str], ...]  # latest log messages: (seconds ago, message)
    speaker: str  # device name; empty if none
    load: float  # synthesis time as a share of real time
    tier: int  # of load shedding; 0 is none
    tier_reason: str
    quality: str
    celsius: float | None
    throttled: bool
    loudness_lufs: float  # momentary, BS.1770-4
    door: str  # opening state: open, quiet or closed, in words
    refused: str  # error in the settings; empty if none
    volume_db: float
    muted: bool
    standby: bool
    quiet: bool
    correcting: bool  # whether the taught examples correct the regressor
    pairs: int  # number of taught examples in use
    held: bool  # whether a request sets z instead of the face
    overridden: tuple[str, ...]  # features set by a request instead of the face
    chosen_pack: str | None = None  # by a request; None is the settings' own, or by the clock
    take_s: float | None = None  # seconds that a take holds so far; None if none is recorded
    picture_hz: tuple[float, ...] = ()  # centre frequency of each band in the columns
    picture_range_db: float = 80.0
    columns_per_s: float = 0.0
    z: tuple[float, ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """The message in its wire format."""
        return REPORT + bytes([VERSION]) + json.dumps(asdict(self), allow_nan=False).encode()


Message = Columns | Energies | Report


def decode(data: bytes) -> Message:
    """Decode one message.

    Raises
    ------
    TelemetryError
        It is malformed, of another version, or has impossible values.
    """
    magic = data[:4]
    if len(data) > MAX_BYTES or len(data) < 5 or data[4] not in READABLE.get(magic, ()):
        raise TelemetryError(f"no message of a known version: {len(data)} bytes, {data[:5]!r}")
    try:
        return DECODERS[magic](data)
    except (struct.error, ValueError, TypeError, IndexError) as error:
        raise TelemetryError(str(error)) from error


def _columns(data: bytes) -> Columns:
    _, version, columns, bands, sequence, time_ns = _COLUMNS.unpack_from(data)
    if not (0 < columns <= MAX_COLUMNS and 0 < bands <= MAX_BANDS):
        raise TelemetryError(f"{columns} columns of {bands} bands")
    levels = np.frombuffer(data, np.uint8, offset=_COLUMNS.size)
    if version == 1:
        levels = np.concatenate([levels, np.zeros_like(levels)])
    return Columns(sequence, time_ns, *levels.reshape(2, columns, bands))


def _energies(data: bytes) -> Energies:
    _, _, scene, present, sequence, time_ns, *numbers = _ENERGIES.unpack(data)
    level_db, latency_s, *features = numbers
    if not (math.isfinite(level_db) and np.isfinite(features).all()):
        raise TelemetryError("energies are not finite numbers")
    clipped = clip_features(np.array(features, np.float32))
    return Energies(sequence, time_ns, SCENES[scene], bool(present), level_db, latency_s, clipped)


def _report(data: bytes) -> Report:
    content = json.loads(data[5:])
    if not isinstance(content, dict) or set(content) != {each.name for each in fields(Report)}:
        raise TelemetryError("the report has other keys")
    return Report(**{key: _to_tuple(value) for key, value in content.items()})


def _to_tuple(value: Any) -> Any:  # noqa: ANN401  whatever JSON held
    return tuple(map(_to_tuple, value)) if isinstance(value, list) else value


DECODERS: dict[bytes, Callable[[bytes], Message]] = {
    COLUMNS: _columns,
    ENERGIES: _energies,
    REPORT: _report,
}
