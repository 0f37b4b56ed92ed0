"""What is left of a settings file with faults: everything else that it says.

Used when a process starts unattended. A key that is wrong takes its default, and the other sections
stay as written, even where the file is not YAML as a whole: it is cut at its top-level keys then,
and each part is read alone. A doubt about privacy or loudness errs to closed and quiet: where
`camera`, `eye` or `hours` cannot be read, the camera stays closed; where `output`, `attract`,
`hours` or `quiet` cannot, the limits of quiet hours hold. Where nothing can be read, both.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from latent_resonance.config.gallery import Quiet, WeeklyHours
from latent_resonance.config.output import Output
from latent_resonance.config.presets import apply_quality
from latent_resonance.config.settings import MAX_BYTES, Settings
from latent_resonance.config.text_encoding import read_text
from latent_resonance.config.timetable import ALWAYS
from latent_resonance.config.validation import leaf_fields
from latent_resonance.config.yaml_file import YamlError, parse_yaml

OF_CAMERA = {"camera", "eye", "hours"}
OF_LOUDNESS = {"output", "hours", "quiet", "attract"}
WHOLE = {*OF_CAMERA, "quiet", "monitor"}  # left out whole: half of them may open a door
TOP_LEVEL_KEY = re.compile(r"""^["']?(\w[\w.-]*)["']?\s*:(?=\s|$)""", re.MULTILINE)
COMMENT = re.compile(r"^(\s*#.*|---\s*)$", re.MULTILINE)
EVERYTHING = frozenset(Settings.model_fields)
MAX_COMPARED = 50  # keys at fault; with more, any section may be meant
MAX_FAULTS = 50  # in a section, of which nothing is kept with more
MAX_KEY_CHARACTERS = 40  # of one that is compared with the valid ones
MAX_PASSES = 20  # of validation, each of which may find faults behind those of the last


@dataclass(frozen=True)
class Recovered:
    """Settings without the faulty keys of their file.

    Attributes
    ----------
    unreadable : sections, or keys outside sections, that have a fault
    """

    settings: Settings
    unreadable: frozenset[str]

    @property
    def camera_closed(self) -> bool:
        """Whether the camera has to stay closed."""
        return not self.unreadable.isdisjoint(OF_CAMERA)

    @property
    def quiet(self) -> bool:
        """Whether the limits of quiet hours are in force."""
        return not self.unreadable.isdisjoint(OF_LOUDNESS)


def recover_settings(path: Path) -> Recovered:
    """The settings of a file that has faults, without these."""
    content, unreadable = _readable_parts(_text_of(path))
    settings, faulty = _validated(content)
    recovered = Recovered(settings, frozenset(unreadable | faulty))
    if not recovered.quiet:
        return recovered
    return Recovered(_quiet(settings), recovered.unreadable)


def _text_of(path: Path) -> str:
    """The text of a file, damaged characters replaced; empty if there is none of a fair size."""
    try:
        if not path.is_file() or path.stat().st_size > MAX_BYTES:
            return ""
        return read_text(path, errors="replace")
    except (OSError, ValueError):
        return ""


def _readable_parts(text: str) -> tuple[dict[Any, Any], set[str]]:
    """(content, unreadable): of the text as a whole, else of the parts at its top-level keys."""
    whole = _mapping(text)
    if whole is not None:
        return whole, set()
    content: dict[Any, Any] = {}
    head, parts = _split(text)
    unreadable = set() if parts and not head else set(EVERYTHING)
    for key, part in parts:
        found = _mapping(part)
        if found is None or not content.keys().isdisjoint(found):
            unreadable |= _sections_meant(key)
        else:
            content |= found
    return content, unreadable


def _split(text: str) -> tuple[str, list[tuple[str, str]]]:
    """(what is before the first top-level key, without comments; each key with its text)."""
    keys = list(TOP_LEVEL_KEY.finditer(text))
    starts = [*(key.start() for key in keys), len(text)]
    parts = [
        (key[1], text[start:end]) for key, (start, end) in zip(keys, pairwise(starts), strict=True)
    ]
    return COMMENT.sub("", text[: starts[0]]).strip(), parts


def _mapping(text: str) -> dict[Any, Any] | None:
    try:
        content = parse_yaml(text)
    except YamlError:
        return None
    return content if isinstance(content, dict) else None


def _validated(content: dict[Any, Any]) -> tuple[Settings, set[str]]:
    """(settings, unreadable) of a content whose faulty keys are left out."""
    unreadable: set[str] = set()
    for _ in range(MAX_PASSES):
        try:
            return Settings.model_validate(apply_quality(content)), unreadable
        except ValidationError as error:
            places = [each["loc"] for each in error.errors(include_url=False, include_input=False)]
        faults = Counter(str(place[0]) for place in places)
        unreadable = unreadable.union(*map(_sections_meant, islice(faults, MAX_COMPARED)))
        unreadable |= EVERYTHING if len(faults) > MAX_COMPARED else set()
        whole = {str(place[0]) for place in places if len(place) == 1}
        whole |= {name for name, count in faults.items() if count > MAX_FAULTS}
        content = {key: value for key, value in content.items() if str(key) not in whole}
        for place in places:
            if str(place[0]) not in whole:
                content = _without(content, place)
    return Settings(), set(EVERYTHING)


def _without(content: dict[Any, Any], key: tuple[int | str, ...]) -> dict[Any, Any]:
    """A content without a faulty key: its section, the key alone, or the list that it is in."""
    name, *inner = key
    section = next((content[found] for found in content if str(found) == str(name)), None)
    kept = None if name in WHOLE or not inner else _without_key(section, inner)
    rest = {found: value for found, value in content.items() if str(found) != str(name)}
    return rest if kept is None else rest | {name: kept}


def _without_key(section: object, key: list[int | str]) -> dict[Any, Any] | None:
    """A section without the first part of a key that is no section itself; None if it is none."""
    if not isinstance(section, dict):
        return None
    name, *inner = key
    kept = {found: value for found, value in section.items() if str(found) != str(name)}
    below = _without_key(section.get(name), inner) if inner else None
    return kept if below is None else kept | {name: below}


def _sections_meant(key: str) -> set[str]:
    """The section of that name, or those that a misspelt or misplaced key probably belongs to."""
    if key in EVERYTHING:
        return {key}
    sections = _sections_by_name()
    close = difflib.get_close_matches(key[:MAX_KEY_CHARACTERS], sections, n=1)
    return {key}.union(*(sections[name] for name in close))


@cache
def _sections_by_name() -> dict[str, set[str]]:
    """The sections that have a key of that name, or are called so."""
    sections: dict[str, set[str]] = defaultdict(set)
    for dotted, _ in leaf_fields(Settings):
        section, *inner = dotted.split(".")
        for name in (section, *inner):
            sections[name].add(section)
    return sections


def _quiet(settings: Settings) -> Settings:
    """Settings with the limits of quiet hours at any time, and no more volume than by default."""
    output = settings.output
    softer = {
        "volume_db": min(output.volume_db, Output().volume_db),
        "loudness_lufs": min(output.loudness_lufs, Output().loudness_lufs),
    }
    return settings.model_copy(
        update={
            "output": output.model_copy(update=softer),
            "quiet": Quiet(when=WeeklyHours(daily=ALWAYS)),
        }
    )
