"""What was taught on site as one file to download and to load again. Pure.

A JSON object: the pack that it belongs to, the examples, and the places. A file comes from outside
and is not trusted: keys, counts, types and ranges are checked, and NaN is out of every range.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from latent_resonance.link.requests import MAX_ANCHORS, MAX_PAIRS, RequestError
from latent_resonance.monitor.examples import (
    Example,
    Examples,
    Places,
    checked_face,
    checked_name,
    checked_z,
    named_features,
    pairs_of,
)
from latent_resonance.monitor.examples_file import place_entry, place_of, rounded_z

FORMAT = "latent-resonance-examples"
VERSION = 1
MAX_BYTES = 768 * 1024  # MAX_PAIRS examples and MAX_ANCHORS places with the largest z fit
T = TypeVar("T")


@dataclass(frozen=True)
class PackIdentity:
    """What a z belongs to: a generator, by the sha256 of its file (None if it is unknown)."""

    pack: str
    latent_dim: int
    generator: str | None


def exported(identity: PackIdentity, examples: Examples, places: Places) -> str:
    """The file's text."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        **asdict(identity),
        "examples": [_entry(each) for each in examples],
        "places": [place_entry(each) for each in places],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False, indent=1)


def imported(text: str | bytes, identity: PackIdentity) -> tuple[Examples, Places]:
    """Examples and places of a file.

    Raises
    ------
    RequestError
        It is not such a file, belongs to another pack, or breaks a rule.
    """
    content = _content(text)
    _check_pack(content, identity)
    dim = identity.latent_dim
    examples = _list_of(content["examples"], lambda entry: _example(entry, dim), MAX_PAIRS)
    if len(pairs_of(examples)) > MAX_PAIRS:
        raise RequestError(f"the file should have at most {MAX_PAIRS} faces")
    return examples, _list_of(content["places"], lambda entry: place_of(entry, dim), MAX_ANCHORS)


def _content(text: str | bytes) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError("the file should be JSON in UTF-8") from error
    keys = {"format", "version", "pack", "latent_dim", "generator", "examples", "places"}
    if not isinstance(content, dict) or set(content) != keys or content["format"] != FORMAT:
        raise RequestError("the file should be one that this page has exported")
    if content["version"] != VERSION:
        raise RequestError(f"the file has version {content['version']!r:.20}, not {VERSION}")
    return content


def _check_pack(content: dict[str, Any], identity: PackIdentity) -> None:
    pack, generator = content["pack"], content["generator"]
    if (pack, content["latent_dim"]) != (identity.pack, identity.latent_dim):
        raise RequestError(f"the file belongs to the pack {pack!r:.40}; choose that pack first")
    if None not in (generator, identity.generator) and generator != identity.generator:
        raise RequestError(f"the file belongs to another training of the pack {pack!r:.40}")


def _list_of(entries: object, parse: Callable[[object], T], most: int) -> tuple[T, ...]:
    if not isinstance(entries, list) or len(entries) > most:
        raise RequestError(f"the file should have lists of at most {most} entries")
    return tuple(map(parse, entries))


def _example(entry: object, latent_dim: int) -> Example:
    if not isinstance(entry, dict) or set(entry) != {"name", "faces", "z"}:
        raise RequestError("an example should have a name, faces and z")
    faces = _list_of(entry["faces"], checked_face, MAX_PAIRS)
    if not faces:
        raise RequestError("an example should have at least one face")
    return Example(faces, checked_z(entry["z"], latent_dim), checked_name(entry["name"]))


def _entry(example: Example) -> dict[str, object]:
    faces = [named_features(face) for face in example.faces]
    return {"name": example.name, "faces": faces, "z": rounded_z(example.z)}
