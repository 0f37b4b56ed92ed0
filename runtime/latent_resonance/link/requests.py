"""What may be asked of a voice from outside, and the check that each request has to pass. Pure.

A request is one JSON object with one key, its kind. Whoever sends it is not trusted: sizes, types
and ranges are checked here, before anything else sees it.

    {"volume_db": -6.0}          how much quieter than the settings say, -60 to 0
    {"muted": true}              silence at once; the instrument goes on
    {"standby": true}            as if closed
    {"quiet": true}              the quiet hours' manners, whatever the hour
    {"pack": "voices"}           another pack of models/
    {"tone": 2.0}                a test tone of so many seconds, 0 to 10; 0 ends it
    {"override": {"mouth_open": 0.4}}   features that are somebody's for HELD_S; {} gives back
    {"z": [0.1, …]}              z that is somebody's for HELD_S; null gives it back
    {"pairs": [[16 features, z], …]}    what was taught; [] forgets it
    {"correcting": true}         whether it corrects the map
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURE_RANGES, FEATURES, clip_features

FloatArray = NDArray[np.float32]
LARGEST = 128 * 1024  # bytes; MOST_PAIRS of the largest z
HELD_S = 3.0  # whoever overrides says so again before this, or has gone
LOWEST_VOLUME_DB = -60.0
LONGEST_TONE_S = 10.0
LARGEST_Z = 8.0  # standard deviations
LONGEST_Z = 512
ROUNDING = 1e-4  # by which a number that was written down may pass its range
MOST_PAIRS = 64
PACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class RequestError(ValueError):
    """It is not done; the message is the value and the rule."""


@dataclass(frozen=True, eq=False)
class Pair:
    """A face and its sound, taught on site: features (16,), z (latent_dim,)."""

    features: FloatArray
    z: FloatArray


@dataclass(frozen=True, eq=False)
class Request:
    """One wish: its kind, a key of KINDS, and its checked value."""

    kind: str
    value: Any

    def encode(self) -> bytes:
        """As a message."""
        return json.dumps({self.kind: _plain(self.value)}, allow_nan=False).encode()


def request(content: object) -> Request:
    """A wish that came from somebody as JSON has it.

    Raises
    ------
    RequestError
        It breaks a rule.
    """
    if not isinstance(content, dict) or len(content) != 1:
        raise RequestError(f"a request has one key, one of {', '.join(KINDS)}")
    ((kind, value),) = content.items()
    if kind not in KINDS:
        raise RequestError(f"{kind!r:.40} is no request; there are {', '.join(KINDS)}")
    return Request(kind, KINDS[kind](value))


def decode(data: bytes) -> Request:
    """Reads one message.

    Raises
    ------
    RequestError
        It is none, or breaks a rule.
    """
    if len(data) > LARGEST:
        raise RequestError(f"{len(data)} bytes should be at most {LARGEST}")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"no JSON: {error}"[:120]) from error
    return request(content)


def _plain(value: Any) -> Any:  # noqa: ANN401  whatever a kind holds
    if isinstance(value, np.ndarray):
        return [round(float(x), 5) for x in value]
    if isinstance(value, tuple):
        return [[*_plain(pair.features), *_plain(pair.z)] for pair in value]
    return value


def _number(value: object, low: float, high: float) -> float:
    numeric = isinstance(value, int | float) and not isinstance(value, bool)
    if not numeric or not math.isfinite(value) or not low <= value <= high:
        raise RequestError(f"{value!r:.40} should be a number from {low:g} to {high:g}")
    return float(value)


def _within(low: float, high: float) -> Callable[[object], float]:
    return lambda value: _number(value, low, high)


def _switch(value: object) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"{value!r:.40} should be true or false")
    return value


def _pack(value: object) -> str:
    if not isinstance(value, str) or not PACK_NAME.fullmatch(value):
        raise RequestError(f"{value!r:.80} should be the name of a pack in models/")
    return value


def _override(value: object) -> dict[str, float]:
    if not isinstance(value, dict) or not set(value) <= set(FEATURES):
        raise RequestError(f"{value!r:.80} should name features: {', '.join(FEATURES)}")
    return {name: _feature(name, number) for name, number in value.items()}


def _feature(name: str, value: object) -> float:
    low, high = FEATURE_RANGES[name]
    return min(max(_number(value, low - ROUNDING, high + ROUNDING), low), high)


def _z(value: object) -> FloatArray | None:
    if value is None:
        return None
    if not isinstance(value, list) or not 0 < len(value) <= LONGEST_Z:
        raise RequestError(f"z should be a list of 1 to {LONGEST_Z} numbers, or null")
    return np.array([_number(x, -LARGEST_Z, LARGEST_Z) for x in value], np.float32)


def _pairs(value: object) -> tuple[Pair, ...]:
    if not isinstance(value, list) or len(value) > MOST_PAIRS:
        raise RequestError(f"pairs should be a list of at most {MOST_PAIRS}")
    return tuple(map(_pair, value))


def _pair(row: object) -> Pair:
    n = len(FEATURES)
    if not isinstance(row, list) or len(row) <= n:
        raise RequestError(f"a pair should be {n} features and then z")
    features = [_feature(name, x) for name, x in zip(FEATURES, row[:n], strict=True)]
    return Pair(clip_features(np.array(features)), _z(row[n:]))


KINDS: dict[str, Callable[[object], Any]] = {
    "volume_db": _within(LOWEST_VOLUME_DB, 0.0),
    "muted": _switch,
    "standby": _switch,
    "quiet": _switch,
    "pack": _pack,
    "tone": _within(0.0, LONGEST_TONE_S),
    "override": _override,
    "z": _z,
    "pairs": _pairs,
    "correcting": _switch,
}
