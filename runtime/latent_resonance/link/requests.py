"""Requests to the voice, and their validation. Pure.

A request is a JSON object with one key, its kind. The sender is not trusted: sizes, types and
ranges are checked here, before any other code uses the request.

    {"volume_db": -6.0}          gain relative to the settings, -60 to 0
    {"muted": true}              silence immediately; the instrument keeps running
    {"standby": true}            as if closed
    {"quiet": true}              quiet-hours sound, at any time of day
    {"pack": "voices"}           another pack, of those in the report; null is the settings' own
    {"tone": 2.0}                a reference tone, 0 to 10 seconds; 0 ends it
    {"take": 600.0}              records the sound for at most so many seconds, into the file that
                                 is passed with the message; 0 ends it
    {"override": {"mouth_open": 0.4}}   replaces features for OVERRIDE_TIMEOUT_S; {} ends it
    {"z": [0.1, …]}              replaces z for OVERRIDE_TIMEOUT_S; null ends it
    {"pairs": [[16 features, z], …]}    taught examples; [] removes them
    {"anchors": [z, …]}          further anchors for a still face; [] removes them
    {"correcting": true}         whether the examples correct the regressor
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURE_RANGES, FEATURES, clip_features

FloatArray = NDArray[np.float32]
MAX_BYTES = 128 * 1024  # MAX_PAIRS with a z of 128 numbers take 83 KiB
OVERRIDE_TIMEOUT_S = 3.0  # an override is repeated before this, or it ends
MIN_VOLUME_DB = -60.0
MAX_TONE_S = 10.0
MAX_TAKE_S = 600.0
MAX_TAKE_BYTES = 256 * 1024 * 1024  # 233 s of eight channels
MAX_ABS_Z = 8.0  # standard deviations
MAX_LATENT_DIM = 512
ROUNDING_TOLERANCE = 1e-4  # by which a number printed in decimal may exceed its range
MAX_PAIRS = 64
MAX_ANCHORS = 16
PACK_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class RequestError(ValueError):
    """The request is invalid; the message has the value and the rule."""


@dataclass(frozen=True, eq=False)
class Pair:
    """An example taught on site: features (16,) and the z (latent_dim,) that they should give."""

    features: FloatArray
    z: FloatArray


@dataclass(frozen=True, eq=False)
class Request:
    """A valid request.

    Attributes
    ----------
    kind : a key of KINDS
    value : as its kind has it
    file : open descriptor that is passed with it, or None; whoever takes the request closes it
    """

    kind: str
    value: Any
    file: int | None = None

    def encode(self) -> bytes:
        """The request as a message."""
        return json.dumps({self.kind: _jsonable(self.value)}, allow_nan=False).encode()


def parse_request(content: object) -> Request:
    """Validate the decoded JSON of a request.

    Raises
    ------
    RequestError
        It breaks a rule.
    """
    if not isinstance(content, dict) or len(content) != 1:
        raise RequestError(f"a request has one key, one of {', '.join(KINDS)}")
    ((kind, value),) = content.items()
    if kind not in KINDS:
        raise RequestError(f"{kind!r:.40} is no request; the kinds are {', '.join(KINDS)}")
    return Request(kind, KINDS[kind](value))


def decode(data: bytes) -> Request:
    """Decode and validate one message.

    Raises
    ------
    RequestError
        It is not JSON, or breaks a rule.
    """
    if len(data) > MAX_BYTES:
        raise RequestError(f"{len(data)} bytes should be at most {MAX_BYTES}")
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"no JSON: {error}"[:120]) from error
    return parse_request(content)


def _jsonable(value: Any) -> Any:  # noqa: ANN401  the value types of all kinds
    if isinstance(value, np.ndarray):
        return [round(float(x), 5) for x in value]
    if isinstance(value, tuple):
        return [_jsonable(each) for each in value]
    if isinstance(value, Pair):
        return [*_jsonable(value.features), *_jsonable(value.z)]
    return value


def _number(value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise RequestError(f"{value!r:.40} should be a number from {low:g} to {high:g}")
    return float(value)


def _number_in(low: float, high: float) -> Callable[[object], float]:
    return lambda value: _number(value, low, high)


def _boolean(value: object) -> bool:
    if not isinstance(value, bool):
        raise RequestError(f"{value!r:.40} should be true or false")
    return value


def _pack_name_or_none(value: object) -> str | None:
    if value is not None and not (isinstance(value, str) and PACK_NAME.fullmatch(value)):
        raise RequestError(f"{value!r:.80} should be the name of a pack, or null")
    return value


def _override(value: object) -> dict[str, float]:
    if not isinstance(value, dict) or not set(value) <= set(FEATURES):
        raise RequestError(f"{value!r:.80} should name features: {', '.join(FEATURES)}")
    return {name: _feature(name, number) for name, number in value.items()}


def _feature(name: str, value: object) -> float:
    low, high = FEATURE_RANGES[name]
    return min(max(_number(value, low - ROUNDING_TOLERANCE, high + ROUNDING_TOLERANCE), low), high)


def _z_or_none(value: object) -> FloatArray | None:
    return None if value is None else _z(value)


def _z(value: object) -> FloatArray:
    if not isinstance(value, list) or not 0 < len(value) <= MAX_LATENT_DIM:
        raise RequestError(f"z should be a list of 1 to {MAX_LATENT_DIM} numbers, or null")
    return np.array([_number(x, -MAX_ABS_Z, MAX_ABS_Z) for x in value], np.float32)


def _pairs(value: object) -> tuple[Pair, ...]:
    if not isinstance(value, list) or len(value) > MAX_PAIRS:
        raise RequestError(f"pairs should be a list of at most {MAX_PAIRS}")
    return tuple(map(_pair, value))


def _pair(row: object) -> Pair:
    n = len(FEATURES)
    if not isinstance(row, list) or len(row) <= n:
        raise RequestError(f"a pair should be {n} features followed by z")
    features = [_feature(name, x) for name, x in zip(FEATURES, row[:n], strict=True)]
    return Pair(clip_features(np.array(features)), _z(row[n:]))


def _anchors(value: object) -> tuple[FloatArray, ...]:
    if not isinstance(value, list) or len(value) > MAX_ANCHORS:
        raise RequestError(f"anchors should be a list of at most {MAX_ANCHORS}")
    anchors = tuple(map(_z, value))
    if len({len(each) for each in anchors}) > 1:
        raise RequestError("anchors should have the same length")
    return anchors


KINDS: dict[str, Callable[[object], Any]] = {
    "volume_db": _number_in(MIN_VOLUME_DB, 0.0),
    "muted": _boolean,
    "standby": _boolean,
    "quiet": _boolean,
    "pack": _pack_name_or_none,
    "tone": _number_in(0.0, MAX_TONE_S),
    "take": _number_in(0.0, MAX_TAKE_S),
    "override": _override,
    "z": _z_or_none,
    "pairs": _pairs,
    "anchors": _anchors,
    "correcting": _boolean,
}
