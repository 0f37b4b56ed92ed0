"""What is taught on site: faces with their sound, and places in the latent space. Pure.

An example is a sound with one or more faces that should make it. All functions return a new tuple
and leave the given one as it is, so that an earlier one can be restored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from latent_resonance.face_state import FEATURE_RANGES, FEATURES, FeatureVector, neutral_features
from latent_resonance.link.requests import (
    MAX_PAIRS,
    FloatArray,
    Pair,
    RequestError,
    parse_request,
)

MAX_NAME = 40  # characters
SUMMARY = ("mouth_open", "mouth_width", "brow_tension", "brow_raise", "head_yaw", "head_pitch")


class ExampleError(ValueError):
    """A change that is not possible; the message says why."""


@dataclass(frozen=True, eq=False)
class Example:
    """A sound by its z (latent_dim,), and the faces (16,) that should make it."""

    faces: tuple[FeatureVector, ...]
    z: FloatArray
    name: str = ""


@dataclass(frozen=True, eq=False)
class Place:
    """A z (latent_dim,) at which a still face comes to rest."""

    z: FloatArray
    name: str = ""


Examples = tuple[Example, ...]
Places = tuple[Place, ...]


def pairs_of(examples: Examples) -> tuple[Pair, ...]:
    """One pair for each face."""
    return tuple(Pair(face, each.z) for each in examples for face in each.faces)


def with_example(examples: Examples, face: FeatureVector, z: FloatArray) -> Examples:
    """With a new example at the end.

    Raises
    ------
    ExampleError
        There are MAX_PAIRS faces.
    """
    check_room_for_a_face(examples)
    return (*examples, Example((face,), z))


def without_example(examples: Examples, index: int) -> Examples:
    """Without one of them."""
    return (*examples[:index], *examples[index + 1 :])


def renamed(examples: Examples, index: int, name: str) -> Examples:
    """With another name for one of them."""
    return replaced(examples, index, replace(examples[index], name=name))


def with_face(examples: Examples, index: int, face: FeatureVector) -> Examples:
    """With a further face for a sound.

    Raises
    ------
    ExampleError
        There are MAX_PAIRS faces.
    """
    check_room_for_a_face(examples)
    example = examples[index]
    return replaced(examples, index, replace(example, faces=(*example.faces, face)))


def without_face(examples: Examples, index: int, face: int) -> Examples:
    """Without one of an example's faces; without the example if it was the only one."""
    example = examples[index]
    faces = (*example.faces[:face], *example.faces[face + 1 :])
    if not faces:
        return without_example(examples, index)
    return replaced(examples, index, replace(example, faces=faces))


def replaced(examples: Examples, index: int, example: Example) -> Examples:
    """With another example in its place."""
    return (*examples[:index], example, *examples[index + 1 :])


def check_room_for_a_face(examples: Examples) -> None:
    """Raise ExampleError if there are MAX_PAIRS faces."""
    if len(pairs_of(examples)) >= MAX_PAIRS:
        raise ExampleError(f"at most {MAX_PAIRS} faces can be kept; forget one first")


def sum_by_example(examples: Examples, values: Sequence[float]) -> list[float]:
    """Values of the pairs, (n_pairs,), summed over each example's faces."""
    ends = list(accumulate((len(each.faces) for each in examples), initial=0))
    return [sum(values[first:end]) for first, end in pairwise(ends)]


def strongest_features(features: FeatureVector) -> list[tuple[str, float]]:
    """The two of SUMMARY that deviate most, by which people recognise a face."""
    values = [(name, float(features[FEATURES.index(name)])) for name in SUMMARY]
    strongest = sorted(values, key=lambda each: -abs(each[1]))[:2]
    return [(name, round(value, 2)) for name, value in strongest]


def checked_name(value: object) -> str:
    """A name from outside, without white space around it.

    Raises
    ------
    RequestError
        It is not a printable string of at most MAX_NAME characters.
    """
    if not isinstance(value, str) or len(value) > MAX_NAME or not value.isprintable():
        raise RequestError(f"{value!r:.60} should be a name of at most {MAX_NAME} characters")
    return value.strip()


def checked_face(value: object) -> FeatureVector:
    """Features (16,) from a mapping of some of their names; the others are neutral.

    Raises
    ------
    RequestError
        It names other features, or a value is out of range.
    """
    features = neutral_features()
    for name, number in parse_request({"override": value}).value.items():
        features[FEATURES.index(name)] = number
    return features


def checked_z(value: object, latent_dim: int) -> FloatArray:
    """A z (latent_dim,) from a list of numbers.

    Raises
    ------
    RequestError
        It has another length, or a value is out of range.
    """
    z: FloatArray | None = parse_request({"z": value}).value
    if z is None or len(z) != latent_dim:
        raise RequestError(f"z should have {latent_dim} numbers")
    return z


def named_features(features: FeatureVector) -> dict[str, float]:
    """Features by name, rounded without leaving their ranges."""
    pairs = zip(FEATURES, features, strict=True)
    return {name: _rounded(float(value), *FEATURE_RANGES[name]) for name, value in pairs}


def _rounded(value: float, low: float, high: float) -> float:
    return min(max(round(value, 4), low), high)
