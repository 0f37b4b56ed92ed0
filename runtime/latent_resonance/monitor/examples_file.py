"""The pairs that were taught for one pack, in a file that the workshop reads as it is.

In the monitor's event loop. In and out: a YAML as `train-regressor --examples` takes it, features
and z only. It is written beside and renamed; one that is damaged is moved aside, never lost.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import yaml

from latent_resonance.audio.wav import OutputFileError, written_beside
from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance.face_state import FEATURE_RANGES, FEATURES, neutral_features
from latent_resonance.link.requests import MOST_PAIRS, Pair, RequestError, request

LARGEST = 512 * 1024  # bytes
DIGITS = 4


class TaughtError(Exception):
    """The file of pairs cannot be read or written; the message says why."""


def read_pairs(path: Path, latent_dim: int) -> tuple[Pair, ...]:
    """The pairs of a file; none if there is no file.

    Raises
    ------
    TaughtError
        It is damaged, and has been moved aside; or it cannot be read.
    """
    if not path.exists():
        return ()
    try:
        return tuple(_pair(entry, latent_dim) for entry in _entries(path))
    except (YamlError, RequestError, KeyError, TypeError) as error:
        aside = path.with_suffix(".damaged.yaml")
        try:
            path.replace(aside)
        except OSError as problem:
            raise TaughtError(f"{path}: {problem.strerror}") from error
        raise TaughtError(
            f"what was taught cannot be read ({error}); it is kept as {aside.name}"
        ) from error


def write_pairs(path: Path, pairs: tuple[Pair, ...]) -> None:
    """Replaces the file.

    Raises
    ------
    TaughtError
        It cannot be written; the one before is still there.
    """
    text = yaml.safe_dump([_entry(pair) for pair in pairs], sort_keys=False, width=100)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with written_beside(path) as beside:
            beside.write_text(text if pairs else "[]\n", encoding="utf-8")
    except (OSError, OutputFileError) as error:
        raise TaughtError(f"what was taught cannot be kept: {error}") from error


def _entries(path: Path) -> list[object]:
    found = read_yaml(path, LARGEST)
    if not isinstance(found, list) or len(found) > MOST_PAIRS:
        raise YamlError(f"should be a list of at most {MOST_PAIRS} pairs")
    return found


def _pair(entry: object, latent_dim: int) -> Pair:
    if not isinstance(entry, dict) or set(entry) != {"face", "sound"}:
        raise RequestError("a pair should have a face and a sound")
    features = neutral_features()
    for name, value in request({"override": entry["face"]}).value.items():
        features[FEATURES.index(name)] = value
    z = request({"z": entry["sound"]["z"]}).value
    if z is None or len(z) != latent_dim:
        raise RequestError(f"z should have {latent_dim} numbers")
    return Pair(features, z)


def _entry(pair: Pair) -> dict[str, object]:
    face = {
        name: _within(float(value), *FEATURE_RANGES[name])
        for name, value in zip(FEATURES, pair.features, strict=True)
    }
    return {"face": face, "sound": {"z": [round(float(x), DIGITS) for x in pair.z]}}


def _within(value: float, low: float, high: float) -> float:
    """Rounded, and not out of its range by that."""
    scale = 10**DIGITS
    low, high = math.ceil(low * scale) / scale, math.floor(high * scale) / scale
    return float(np.clip(round(value, DIGITS), low, high))
