"""The files of what was taught on site for one pack: examples, and places.

In the monitor's event loop. In and out: YAML. That of the examples is as `train-regressor
--examples` reads it, an entry for each face. A file is replaced atomically; a damaged one is
renamed, never deleted.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import yaml

from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance.face_state import FeatureVector
from latent_resonance.link.requests import MAX_ANCHORS, MAX_PAIRS, FloatArray, RequestError
from latent_resonance.linux.atomic_file import OutputFileError, atomic_path
from latent_resonance.monitor.examples import (
    Example,
    Examples,
    Place,
    Places,
    checked_face,
    checked_name,
    checked_z,
    named_features,
)

MAX_BYTES = 512 * 1024
DECIMALS = 4
T = TypeVar("T")


class ExamplesFileError(Exception):
    """The file cannot be read or written; the message says why."""


def read_examples(path: Path, latent_dim: int) -> Examples:
    """Read the examples of a file; empty if there is no file.

    Entries that follow each other with the same name and sound are the faces of one example.

    Raises
    ------
    ExamplesFileError
        It is damaged and has been renamed, or it cannot be read.
    """
    rows = _read(path, lambda entry: _row(entry, latent_dim), MAX_PAIRS)
    groups = groupby(rows, key=lambda row: (row[0], row[2].tobytes()))
    grouped = [list(group) for _, group in groups]
    return tuple(Example(tuple(row[1] for row in g), g[0][2], g[0][0]) for g in grouped)


def write_examples(path: Path, examples: Examples) -> None:
    """Replace the file.

    Raises
    ------
    ExamplesFileError
        It cannot be written; the previous file is unchanged.
    """
    _write(path, [_entry(each, face) for each in examples for face in each.faces])


def read_places(path: Path, latent_dim: int) -> Places:
    """Read the places of a file; empty if there is no file. Raises like `read_examples`."""
    return _read(path, lambda entry: place_of(entry, latent_dim), MAX_ANCHORS)


def write_places(path: Path, places: Places) -> None:
    """Replace the file. Raises like `write_examples`."""
    _write(path, [place_entry(each) for each in places])


def place_of(entry: object, latent_dim: int) -> Place:
    """A place from its entry in a file.

    Raises
    ------
    RequestError
        It breaks a rule.
    """
    if not isinstance(entry, dict) or set(entry) != {"name", "z"}:
        raise RequestError("a place should have a name and z")
    return Place(checked_z(entry["z"], latent_dim), checked_name(entry["name"]))


def place_entry(place: Place) -> dict[str, object]:
    """The entry of a place in a file."""
    return {"name": place.name, "z": rounded_z(place.z)}


def rounded_z(z: FloatArray) -> list[float]:
    """A z as a file has it."""
    return [round(float(x), DECIMALS) for x in z]


def _read(path: Path, parse: Callable[[object], T], most: int) -> tuple[T, ...]:
    if not path.exists():
        return ()
    try:
        return tuple(map(parse, _entries(path, most)))
    except (YamlError, RequestError, KeyError, TypeError) as error:
        renamed = path.with_suffix(".damaged.yaml")
        try:
            path.replace(renamed)
        except OSError as os_error:
            raise ExamplesFileError(f"{path}: {os_error.strerror}") from error
        raise ExamplesFileError(
            f"the examples cannot be read ({error}); the file is kept as {renamed.name}"
        ) from error


def _write(path: Path, entries: list[dict[str, object]]) -> None:
    text = yaml.safe_dump(entries, sort_keys=False, width=100, allow_unicode=True)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with atomic_path(path) as beside:
            beside.write_text(text, encoding="utf-8")
    except (OSError, OutputFileError) as error:
        raise ExamplesFileError(f"the examples cannot be saved: {error}") from error


def _entries(path: Path, most: int) -> list[object]:
    content = read_yaml(path, MAX_BYTES)
    if not isinstance(content, list) or len(content) > most:
        raise YamlError(f"should be a list of at most {most} entries")
    return content


def _row(entry: object, latent_dim: int) -> tuple[str, FeatureVector, FloatArray]:
    if not isinstance(entry, dict) or set(entry) - {"name"} != {"face", "sound"}:
        raise RequestError("an example should have a face and a sound")
    z = checked_z(entry["sound"]["z"], latent_dim)
    return checked_name(entry.get("name", "")), checked_face(entry["face"]), z


def _entry(example: Example, face: FeatureVector) -> dict[str, object]:
    name: dict[str, object] = {"name": example.name} if example.name else {}
    return name | {"face": named_features(face), "sound": {"z": rounded_z(example.z)}}
