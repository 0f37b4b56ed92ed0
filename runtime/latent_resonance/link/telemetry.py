"""What the voice tells a monitor: columns of the sound, energies, and a report. Pure.

Three kinds of messages, little-endian, each with a magic of four bytes and a version:

    LRCO   columns   some twelve a second; the picture of the sound, one byte a mel band
    LREN   energies  thirty a second; the features that play, how loud it is, how late
    LRRE   report    two a second; JSON: what people and programs want to know of its state

Nothing else can be said, so no image and no landmark can be either.
"""

from __future__ import annotations

import json
import math
import struct
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURES, FeatureVector, clip_features

VERSION = 1
MOST_COLUMNS = 64  # in one message
MOST_BANDS = 512
LARGEST = 64 * 1024  # bytes of a message
FLOOR_DB = -120.0  # silence, where a number is wanted
_COLUMNS = struct.Struct("<4sBBHIq")  # magic, version, columns, bands, sequence, time in ns
_ENERGIES = struct.Struct(f"<4sBBBxIq2f{len(FEATURES)}f")
COLUMNS, ENERGIES, REPORT = b"LRCO", b"LREN", b"LRRE"
SCENES = ("empty", "greet", "play", "farewell", "closed")  # by their number in LREN


class TelemetryError(ValueError):
    """A message is not what it says it is."""


@dataclass(frozen=True, eq=False)
class Columns:
    """The newest of the sound.

    Attributes
    ----------
    sequence : of the first column; counts columns from the voice's start
    time_ns : CLOCK_MONOTONIC at which the last column was made
    levels : (columns, bands) uint8; 0 is `picture_range_db` below full scale, 255 full scale
    """

    sequence: int
    time_ns: int
    levels: NDArray[np.uint8]

    def encode(self) -> bytes:
        """As a message."""
        columns, bands = self.levels.shape
        head = _COLUMNS.pack(COLUMNS, VERSION, columns, bands, self.sequence, self.time_ns)
        return head + self.levels.tobytes()


@dataclass(frozen=True, eq=False)
class Energies:
    """What plays at one moment.

    Attributes
    ----------
    sequence : counts up by one
    time_ns : CLOCK_MONOTONIC
    scene : of SCENES
    present : whether a face is seen
    level_db : RMS of the last hops, dB re full scale, FLOOR_DB at least
    latency_s : from the newest image to the speaker; nan without one
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
        """As a message."""
        scene = SCENES.index(self.scene)
        numbers = (self.level_db, self.latency_s, *self.features.tolist())
        head = (ENERGIES, VERSION, scene, self.present, self.sequence, self.time_ns)
        return _ENERGIES.pack(*head, *numbers)

    @property
    def named(self) -> dict[str, float]:
        """The features by their names."""
        return dict(zip(FEATURES, map(float, self.features), strict=True))


@dataclass(frozen=True)
class Report:
    """How it goes, for people and for programs; totals count from the voice's start."""

    build: str  # version of the program
    uptime_s: float
    doing: str  # in words
    scene: str  # of SCENES
    pack: str
    packs: tuple[str, ...]  # that can be asked for
    images_per_s: float
    visits: int
    played_s: float  # for visitors
    underflows: int
    faults: dict[str, int]  # by kind, in words
    news: tuple[tuple[float, str], ...]  # what was said last: (seconds ago, sentence)
    speaker: str  # name; empty if none plays
    load: float  # share of real time that the synthesis takes
    tier: int  # 0 is as set
    tier_reason: str
    quality: str
    celsius: float | None
    throttled: bool
    loudness_lufs: float  # momentary, BS.1770-4
    door: str  # open, quiet, closed, in words
    refused: str  # what is wrong with the settings; empty if nothing is
    volume_db: float
    muted: bool
    standby: bool
    quiet: bool
    correcting: bool  # whether taught pairs correct the map
    pairs: int  # taught, in use
    held: bool  # whether z is somebody's and not the face's
    overridden: tuple[str, ...]  # features that are somebody's and not the face's
    picture_hz: tuple[float, ...] = ()  # centre of each band of the columns
    picture_range_db: float = 80.0
    columns_per_s: float = 0.0
    z: tuple[float, ...] = field(default=(), repr=False)

    def encode(self) -> bytes:
        """As a message."""
        return REPORT + bytes([VERSION]) + json.dumps(asdict(self), allow_nan=False).encode()


Message = Columns | Energies | Report


def decode(data: bytes) -> Message:
    """Reads one message.

    Raises
    ------
    TelemetryError
        It is none, or of another version, or says impossible things.
    """
    readers = {COLUMNS: _columns, ENERGIES: _energies, REPORT: _report}
    magic = data[:4]
    if magic not in readers or len(data) > LARGEST or len(data) < 5 or data[4] != VERSION:
        raise TelemetryError(f"no message of version {VERSION}: {len(data)} bytes, {magic!r}")
    try:
        return readers[magic](data)
    except (struct.error, ValueError, TypeError, IndexError) as error:
        raise TelemetryError(str(error)) from error


def _columns(data: bytes) -> Columns:
    _, _, columns, bands, sequence, time_ns = _COLUMNS.unpack_from(data)
    if not (0 < columns <= MOST_COLUMNS and 0 < bands <= MOST_BANDS):
        raise TelemetryError(f"{columns} columns of {bands} bands")
    levels = np.frombuffer(data, np.uint8, offset=_COLUMNS.size)
    return Columns(sequence, time_ns, levels.reshape(columns, bands))


def _energies(data: bytes) -> Energies:
    _, _, scene, present, sequence, time_ns, *numbers = _ENERGIES.unpack(data)
    level_db, latency_s, *features = numbers
    if not (math.isfinite(level_db) and np.isfinite(features).all()):
        raise TelemetryError("energies that are not finite numbers")
    clipped = clip_features(np.array(features, np.float32))
    return Energies(sequence, time_ns, SCENES[scene], bool(present), level_db, latency_s, clipped)


def _report(data: bytes) -> Report:
    content = json.loads(data[5:])
    if not isinstance(content, dict) or set(content) != {each.name for each in fields(Report)}:
        raise TelemetryError("a report with other keys")
    return Report(**{key: _frozen(value) for key, value in content.items()})


def _frozen(value: Any) -> Any:  # noqa: ANN401  whatever JSON held
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
