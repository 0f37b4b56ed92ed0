"""Examples, "this face, this sound": a YAML file of pairs; all its errors are reported at once.

    - face: {mouth_open: 0.8, jaw_open: 0.6}   # other features are neutral
      sound: {clip: 12}                        # a clip of the dataset, from 0 as in clips.csv
    - face: {brow_tension: 0.9}
      sound: {file: growl.wav, from_s: 1.5}    # a recording, relative to this file
    - face: {}                                 # the neutral face
      sound: {z: [0.12, -1.03, ...]}           # latent_dim numbers; only their direction counts

Pure, except for reading the file.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from latent_resonance.config.yaml_file import YamlError, read_yaml
from latent_resonance.face_state import FEATURE_RANGES, FEATURE_UNITS, FEATURES, neutral_features
from latent_resonance_export.regressor.model import RegressorError

FloatArray = NDArray[np.float32]
MAX_BYTES = 16 * 1024 * 1024  # bytes
SHORTEST_Z = 1e-6  # norm below which z has no direction
SHAPE = "write - face: {mouth_open: 0.8} and below it sound: {clip: 3}, {file: a.wav} or {z: [...]}"
Location = tuple[str | int, ...]  # of a value in the file: keys and indices


class ExamplesError(RegressorError):
    """The file of examples has errors; the message names the line of each."""


@dataclass(frozen=True)
class GivenZ:
    """A sound by its z, of unit mean square: (latent_dim,)."""

    z: FloatArray


@dataclass(frozen=True)
class ClipOfDataset:
    """A sound by its index among the dataset's clips."""

    index: int


@dataclass(frozen=True)
class Recording:
    """A sound in a file, from a time on."""

    path: Path
    from_s: float


Sound = GivenZ | ClipOfDataset | Recording


@dataclass(frozen=True)
class Example:
    """A face and its sound; `line` in the file, features (16,) in their order and units."""

    line: int
    features: FloatArray
    sound: Sound


def read_examples(path: Path, latent_dim: int) -> list[Example]:
    """The pairs of a file, in order.

    Raises
    ------
    ExamplesError
        The file cannot be read, or has errors: all are named, each with its line.
    """
    try:
        pairs = read_yaml(path, MAX_BYTES)
    except YamlError as error:
        raise ExamplesError(str(error)) from error
    if not isinstance(pairs, list) or not pairs:
        raise ExamplesError(f"{path}: holds no list of pairs; {SHAPE}")
    root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    assert root is not None, "a list of pairs is not empty"
    reader = _Reader(path.parent, latent_dim, dict(_lines(root, ())))
    examples = [reader.example(pair, i) for i, pair in enumerate(pairs)]
    raise_mistakes(path, reader.mistakes)
    return examples


def raise_mistakes(path: Path, mistakes: list[tuple[int, str]]) -> None:
    """Reports all mistakes, (line, sentence), in one error.

    Raises
    ------
    ExamplesError
        There is at least one.
    """
    if len(mistakes) == 1:
        raise ExamplesError("{}, line {}: {}".format(path, *mistakes[0]))
    if mistakes:
        details = "".join(f"\n  line {line}: {what}" for line, what in sorted(mistakes))
        raise ExamplesError(f"{path}: {len(mistakes)} mistakes{details}")


def _lines(node: yaml.Node, location: Location) -> Iterator[tuple[Location, int]]:
    """The line of every value and key in the file, by location."""
    yield location, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _lines(item, (*location, i))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*location, str(key.value))
            yield from _lines(value, inner)
            yield inner, key.start_mark.line + 1


class _Reader:
    """Reads pair by pair; records mistakes and continues."""

    def __init__(self, folder: Path, latent_dim: int, lines: dict[Location, int]) -> None:
        self.folder, self.latent_dim, self.lines = folder, latent_dim, lines
        self.mistakes: list[tuple[int, str]] = []

    def add_mistake(self, location: Location, what: str) -> None:
        while location not in self.lines:
            location = location[:-1]
        self.mistakes.append((self.lines[location], what))

    def example(self, pair: Any, i: int) -> Example:  # noqa: ANN401  any YAML value
        if not isinstance(pair, dict) or set(pair) - {"name"} != {"face", "sound"}:
            self.add_mistake((i,), f"a pair has a face and a sound, perhaps a name; {SHAPE}")
            return Example(self.lines[i,], neutral_features(), ClipOfDataset(0))
        features = self.face(pair["face"], (i, "face"))
        return Example(self.lines[i,], features, self.sound(pair["sound"], (i, "sound")))

    def face(self, face: Any, location: Location) -> FloatArray:  # noqa: ANN401  any YAML value
        features = neutral_features()
        if not isinstance(face, dict):
            self.add_mistake(location, "face should be features by name, {} for the neutral face")
            return features
        for name, value in face.items():
            if name not in FEATURES:
                self.add_mistake((*location, str(name)), _unknown(str(name)))
            elif self.is_number(
                value, (*location, name), *FEATURE_RANGES[name], FEATURE_UNITS[name]
            ):
                features[FEATURES.index(name)] = value
        return features

    def sound(self, sound: Any, location: Location) -> Sound:  # noqa: ANN401  any YAML value
        keys = set(sound) if isinstance(sound, dict) else set()
        if keys == {"z"}:
            return GivenZ(self.z(sound["z"], (*location, "z")))
        if keys == {"clip"}:
            return self.clip(sound["clip"], (*location, "clip"))
        if keys in ({"file"}, {"file", "from_s"}):
            return self.recording(sound["file"], sound.get("from_s", 0.0), location)
        self.add_mistake(
            location, "sound should be {clip: 3}, {file: a.wav, from_s: 0} or {z: [...]}"
        )
        return ClipOfDataset(0)

    def z(self, values: Any, location: Location) -> FloatArray:  # noqa: ANN401  any YAML value
        count = len(values) if isinstance(values, list) else 0
        if count != self.latent_dim:
            had = f"has {count} numbers" if count else "is no list of numbers"
            self.add_mistake(location, f"z {had}; this run's generator takes {self.latent_dim}")
            return np.zeros(self.latent_dim, np.float32)
        known = [self.is_number(v, (*location, i), -1e6, 1e6) for i, v in enumerate(values)]
        z = np.array(values if all(known) else [1.0] * count, np.float64)
        if np.linalg.norm(z) < SHORTEST_Z:
            self.add_mistake(location, "z is all zeros and has no direction; give another")
        return (z / max(float(np.sqrt(np.mean(z * z))), SHORTEST_Z)).astype(np.float32)

    def clip(self, index: Any, location: Location) -> ClipOfDataset:  # noqa: ANN401  any YAML value
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            self.add_mistake(
                location, f"clip: {index!r} should be a whole number from 0, as in clips.csv"
            )
            index = 0
        return ClipOfDataset(index)

    def recording(self, name: Any, from_s: Any, location: Location) -> Recording:  # noqa: ANN401  any YAML value
        path = self.folder / str(name)
        if not isinstance(name, str) or not path.is_file():
            self.add_mistake(
                (*location, "file"),
                f"file: there is no {path}; give its path relative to the examples file",
            )
        known = self.is_number(from_s, (*location, "from_s"), 0.0, 1e6, "seconds")
        return Recording(path, float(from_s) if known else 0.0)

    def is_number(
        self,
        value: Any,  # noqa: ANN401  any YAML value
        location: Location,
        low: float,
        high: float,
        unit: str = "",
    ) -> bool:
        """Whether it is a finite number within the limits; if not, records a mistake."""
        is_real = isinstance(value, int | float) and not isinstance(value, bool)
        if is_real and math.isfinite(value) and low <= value <= high:
            return True
        limits = f"from {low:.4g} to {high:.4g}" + (f" ({unit})" if unit else "")
        name = f"z[{location[-1]}]" if isinstance(location[-1], int) else location[-1]
        self.add_mistake(location, f"{name}: {str(value)[:40]!r} should be a number {limits}")
        return False


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, FEATURES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the features are {', '.join(FEATURES)}"
    return f"unknown feature {name!r}; {hint}"
