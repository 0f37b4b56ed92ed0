"""The file of (face, sound) pairs recorded on site for one pack.

In the monitor's event loop. In and out: YAML as `train-regressor --examples` reads it, with
features and z only. It is replaced atomically; a damaged file is renamed, never deleted.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import yaml

from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance.face_state import FEATURE_RANGES, FEATURES, neutral_features
from latent_resonance.link.requests import MAX_PAIRS, Pair, RequestError, parse_request
from latent_resonance.linux.atomic_file import OutputFileError, atomic_path

MAX_BYTES = 512 * 1024
DECIMALS = 4


class ExamplesFileError(Exception):
    """The file of pairs cannot be read or written; the message says why."""


def read_pairs(path: Path, latent_dim: int) -> tuple[Pair, ...]:
    """Read the pairs of a file; empty if there is no file.

    Raises
    ------
    ExamplesFileError
        It is damaged and has been renamed, or it cannot be read.
    """
    if not path.exists():
        return ()
    try:
        return tuple(_pair(entry, latent_dim) for entry in _entries(path))
    except (YamlError, RequestError, KeyError, TypeError) as error:
        renamed = path.with_suffix(".damaged.yaml")
        try:
            path.replace(renamed)
        except OSError as os_error:
            raise ExamplesFileError(f"{path}: {os_error.strerror}") from error
        raise ExamplesFileError(
            f"the examples cannot be read ({error}); the file is kept as {renamed.name}"
        ) from error


def write_pairs(path: Path, pairs: tuple[Pair, ...]) -> None:
    """Replace the file.

    Raises
    ------
    ExamplesFileError
        It cannot be written; the previous file is unchanged.
    """
    text = yaml.safe_dump([_entry(pair) for pair in pairs], sort_keys=False, width=100)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_path(path) as beside:
            beside.write_text(text if pairs else "[]\n", encoding="utf-8")
    except (OSError, OutputFileError) as error:
        raise ExamplesFileError(f"the examples cannot be saved: {error}") from error


def _entries(path: Path) -> list[object]:
    content = read_yaml(path, MAX_BYTES)
    if not isinstance(content, list) or len(content) > MAX_PAIRS:
        raise YamlError(f"should be a list of at most {MAX_PAIRS} pairs")
    return content


def _pair(entry: object, latent_dim: int) -> Pair:
    if not isinstance(entry, dict) or set(entry) != {"face", "sound"}:
        raise RequestError("a pair should have a face and a sound")
    features = neutral_features()
    for name, value in parse_request({"override": entry["face"]}).value.items():
        features[FEATURES.index(name)] = value
    z = parse_request({"z": entry["sound"]["z"]}).value
    if z is None or len(z) != latent_dim:
        raise RequestError(f"z should have {latent_dim} numbers")
    return Pair(features, z)


def _entry(pair: Pair) -> dict[str, object]:
    face = {
        name: _rounded(float(value), *FEATURE_RANGES[name])
        for name, value in zip(FEATURES, pair.features, strict=True)
    }
    return {"face": face, "sound": {"z": [round(float(x), DECIMALS) for x in pair.z]}}


def _rounded(value: float, low: float, high: float) -> float:
    """Round a value without leaving its range."""
    scale = 10**DECIMALS
    low, high = math.ceil(low * scale) / scale, math.floor(high * scale) / scale
    return float(np.clip(round(value, DECIMALS), low, high))
