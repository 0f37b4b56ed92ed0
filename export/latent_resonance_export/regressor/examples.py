"""Examples, "this face, this sound": a YAML file of pairs, read and checked wholly at once.

    - face: {mouth_open: 0.8, jaw_open: 0.6}   # what is not named is neutral
      sound: {clip: 12}                        # a clip of the dataset, from 0 as in clips.csv
    - face: {brow_tension: 0.9}
      sound: {file: growl.wav, from_s: 1.5}    # a recording, found from this file's folder
    - face: {}                                 # the face at rest
      sound: {z: [0.12, -1.03, ...]}           # latent_dim numbers; only their direction counts

Pure but for the file that is read.
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
LARGEST = 16 * 1024 * 1024  # bytes
SHORTEST_Z = 1e-6  # norm below which z has no direction
SHAPE = "write - face: {mouth_open: 0.8} and below it sound: {clip: 3}, {file: a.wav} or {z: [...]}"
Place = tuple[str | int, ...]  # of a value in the file, as keys and indices


class ExamplesError(RegressorError):
    """The file of examples breaks a rule; the message names each line that does."""


@dataclass(frozen=True)
class GivenZ:
    """A sound by its z, of unit mean square: (latent_dim,)."""

    z: FloatArray


@dataclass(frozen=True)
class ClipOfDataset:
    """A sound by its number among the dataset's clips."""

    index: int


@dataclass(frozen=True)
class Recording:
    """A sound in a file, from a second on."""

    path: Path
    from_s: float


Sound = GivenZ | ClipOfDataset | Recording


@dataclass(frozen=True)
class Example:
    """A face and its sound; `line` of the file, features (16,) in their order and units."""

    line: int
    features: FloatArray
    sound: Sound


def read_examples(path: Path, latent_dim: int) -> list[Example]:
    """The pairs of a file, in its order.

    Raises
    ------
    ExamplesError
        The file cannot be read, or breaks rules: all of them are named, each by its line.
    """
    try:
        pairs = read_yaml(path, LARGEST)
    except YamlError as error:
        raise ExamplesError(str(error)) from error
    if not isinstance(pairs, list) or not pairs:
        raise ExamplesError(f"{path}: holds no list of pairs; {SHAPE}")
    root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    reader = _Reader(path.parent, latent_dim, dict(_lines(root, ())))
    examples = [reader.example(pair, i) for i, pair in enumerate(pairs)]
    refuse(path, reader.mistakes)
    return examples


def refuse(path: Path, mistakes: list[tuple[int, str]]) -> None:
    """Says all mistakes, (line, sentence), at once; nothing if there are none.

    Raises
    ------
    ExamplesError
        There is one.
    """
    if len(mistakes) == 1:
        raise ExamplesError("{}, line {}: {}".format(path, *mistakes[0]))
    if mistakes:
        told = "".join(f"\n  line {line}: {what}" for line, what in sorted(mistakes))
        raise ExamplesError(f"{path}: {len(mistakes)} mistakes{told}")


def _lines(node: yaml.Node, place: Place) -> Iterator[tuple[Place, int]]:
    """The line of everything in the file, by its place."""
    yield place, node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            yield from _lines(item, (*place, i))
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*place, str(key.value))
            yield from _lines(value, inner)
            yield inner, key.start_mark.line + 1


class _Reader:
    """Reads pair by pair; what is wrong is written down and read on."""

    def __init__(self, folder: Path, latent_dim: int, lines: dict[Place, int]) -> None:
        self.folder, self.latent_dim, self.lines = folder, latent_dim, lines
        self.mistakes: list[tuple[int, str]] = []

    def wrong(self, place: Place, what: str) -> None:
        while place not in self.lines:
            place = place[:-1]
        self.mistakes.append((self.lines[place], what))

    def example(self, pair: Any, i: int) -> Example:  # noqa: ANN401  whatever YAML held
        if not isinstance(pair, dict) or set(pair) != {"face", "sound"}:
            self.wrong((i,), f"a pair has a face and a sound and nothing else; {SHAPE}")
            return Example(self.lines[i,], neutral_features(), ClipOfDataset(0))
        features = self.face(pair["face"], (i, "face"))
        return Example(self.lines[i,], features, self.sound(pair["sound"], (i, "sound")))

    def face(self, face: Any, place: Place) -> FloatArray:  # noqa: ANN401  whatever YAML held
        features = neutral_features()
        if not isinstance(face, dict):
            self.wrong(place, "face should be features by name, {} for the neutral face")
            return features
        for name, value in face.items():
            if name not in FEATURES:
                self.wrong((*place, str(name)), _unknown(str(name)))
            elif self.is_number(value, (*place, name), *FEATURE_RANGES[name], FEATURE_UNITS[name]):
                features[FEATURES.index(name)] = value
        return features

    def sound(self, sound: Any, place: Place) -> Sound:  # noqa: ANN401  whatever YAML held
        keys = set(sound) if isinstance(sound, dict) else set()
        if keys == {"z"}:
            return GivenZ(self.z(sound["z"], (*place, "z")))
        if keys == {"clip"}:
            return self.clip(sound["clip"], (*place, "clip"))
        if keys in ({"file"}, {"file", "from_s"}):
            return self.recording(sound["file"], sound.get("from_s", 0.0), place)
        self.wrong(place, "sound should be {clip: 3}, {file: a.wav, from_s: 0} or {z: [...]}")
        return ClipOfDataset(0)

    def z(self, values: Any, place: Place) -> FloatArray:  # noqa: ANN401  whatever YAML held
        count = len(values) if isinstance(values, list) else 0
        if count != self.latent_dim:
            had = f"has {count} numbers" if count else "is no list of numbers"
            self.wrong(place, f"z {had}; this run's generator takes {self.latent_dim}")
            return np.zeros(self.latent_dim, np.float32)
        known = [self.is_number(v, (*place, i), -1e6, 1e6) for i, v in enumerate(values)]
        z = np.array(values if all(known) else [1.0] * count, np.float64)
        if np.linalg.norm(z) < SHORTEST_Z:
            self.wrong(place, "z is all zeros and has no direction; give another")
        return (z / max(float(np.sqrt(np.mean(z * z))), SHORTEST_Z)).astype(np.float32)

    def clip(self, index: Any, place: Place) -> ClipOfDataset:  # noqa: ANN401  whatever YAML held
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            self.wrong(place, f"clip: {index!r} should be a whole number from 0, as in clips.csv")
            index = 0
        return ClipOfDataset(index)

    def recording(self, name: Any, from_s: Any, place: Place) -> Recording:  # noqa: ANN401  YAML's
        path = self.folder / str(name)
        if not isinstance(name, str) or not path.is_file():
            self.wrong(
                (*place, "file"),
                f"file: there is no {path}; name it as seen from the folder of the examples",
            )
        known = self.is_number(from_s, (*place, "from_s"), 0.0, 1e6, "seconds")
        return Recording(path, float(from_s) if known else 0.0)

    def is_number(
        self,
        value: Any,  # noqa: ANN401  whatever YAML held
        place: Place,
        low: float,
        high: float,
        unit: str = "",
    ) -> bool:
        """Whether it is a finite number within the limits; if not, that is written down."""
        is_real = isinstance(value, int | float) and not isinstance(value, bool)
        if is_real and math.isfinite(value) and low <= value <= high:
            return True
        limits = f"from {low:.4g} to {high:.4g}" + (f" ({unit})" if unit else "")
        name = f"z[{place[-1]}]" if isinstance(place[-1], int) else place[-1]
        self.wrong(place, f"{name}: {str(value)[:40]!r} should be a number {limits}")
        return False


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, FEATURES, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the features are {', '.join(FEATURES)}"
    return f"unknown feature {name!r}; {hint}"
