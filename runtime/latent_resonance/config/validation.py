"""What is wrong with a settings file or a pack: one message per invalid value.

Pure. Each fault that a section finds becomes one message with the key, the value, the rule and the
remedy.
"""

from __future__ import annotations

import difflib
import re
import textwrap
import unicodedata
from collections.abc import Iterator
from datetime import date

from latent_resonance.config.boundary import MAX_SHOWN_CHARACTERS, shown
from latent_resonance.config.invisible import name_of
from latent_resonance.config.rules import (
    MISSING,
    NUMBER,
    UNKNOWN,
    Fault,
    FieldInfo,
    ValidationError,
)
from latent_resonance.config.section import Section

MAX_VALUE_CHARACTERS = 40  # shown of an invalid value
MAX_MESSAGES = 20  # of a file; a line in a journal for each
WITH_UNIT = re.compile(r"([-+]?\d{1,15}(?:\.\d{1,15})?)\s*(?:dB|dBTP|LUFS|Hz|s|px|MiB)?")


def as_tuple(value: object) -> object:
    """A YAML list as a tuple, which strict validation requires; anything else unchanged."""
    return tuple(value) if isinstance(value, list) else value


def error_messages(error: ValidationError, model: type[Section]) -> list[str]:
    """One message for each invalid key, in the order of the file."""
    messages: dict[str, str] = {}
    for fault in error.faults[:MAX_MESSAGES]:
        key = ".".join(_printable(str(part)) for part in fault.location)
        messages.setdefault(key, _message(key, fault, model))
    rest = len(error.faults) - MAX_MESSAGES
    return [*messages.values(), *([f"{rest} more faults; correct these first"] if rest > 0 else [])]


def _printable(key: str) -> str:
    """A key as a message shows it: in one line, and with what cannot be seen as its code."""
    return shown(key if key.isprintable() else ascii(key))


def leaf_fields(model: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every dotted key that is not a section, with its field."""
    for name, field in model.model_fields.items():
        inner = _section_in(field)
        if inner is None:
            yield prefix + name, field
        else:
            yield from leaf_fields(inner, f"{prefix}{name}.")


def _section_in(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _message(key: str, fault: Fault, model: type[Section]) -> str:
    if fault.kind == UNKNOWN:
        written = ".".join(map(str, fault.location))[:MAX_SHOWN_CHARACTERS]
        return f"{key}: unknown key{_foreign_letter(written)}; {_suggestion(written, model)}"
    if fault.kind == MISSING:
        return f"{key}: is missing; {_remedy(key, model)}"
    number = _number_meant(fault.value) if fault.kind == NUMBER else ""
    rule = f"{fault.rule}: write {number}" if number else fault.rule
    return f"{key}: {_shortened(fault.value)} {rule}; {_remedy(key, model)}"


def _foreign_letter(key: str) -> str:
    """A letter that may look like one of ours; all valid keys are ASCII."""
    foreign = next((character for character in key if not character.isascii()), "")
    return f" (it has {name_of(foreign)})" if foreign else ""


def _shortened(value: object) -> str:
    whole = str(value) if isinstance(value, date) else repr(value)
    text = textwrap.shorten(whole, MAX_VALUE_CHARACTERS, placeholder="…")
    return text if text != "…" else f"{whole[: MAX_VALUE_CHARACTERS - 1]}…"


def _number_meant(value: object) -> str:
    """The number that a text probably stands for, as YAML writes it; empty if none does."""
    if not isinstance(value, str):
        return ""
    plain = unicodedata.normalize("NFKC", value).replace("\u2212", "-").replace(",", ".")
    found = WITH_UNIT.fullmatch(plain.strip())
    return f"{float(found[1]):g}" if found else ""


def _remedy(key: str, model: type[Section]) -> str:
    """What the key means, with its unit, and its default if it has one."""
    fields = dict(leaf_fields(model))
    while key not in fields and "." in key:  # an element of a list
        key = key.rpartition(".")[0]
    if key not in fields:
        return f"its keys are {', '.join(k for k in fields if k.startswith(key))}"
    field = fields[key]
    meaning = field.description or key
    if field.required or field.default is None:
        return meaning
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"{meaning}; leave it out for {default!r}"


def _suggestion(key: str, model: type[Section]) -> str:
    """The closest valid key in any section; else the keys of its section."""
    names = [name for name, _ in leaf_fields(model)]
    section, _, leaf = key.rpartition(".")
    sections = {".".join(name.split(".")[:depth]) for name in names for depth in (1, 2)}
    candidates = [*names, *sorted(sections.difference(names, {section}))]
    close = difflib.get_close_matches(key, candidates, n=1, cutoff=0.75)
    if not close:  # the right name in the wrong section, or without one
        by_leaf = {name.rpartition(".")[2]: name for name in reversed(names)}
        close = [by_leaf[n] for n in difflib.get_close_matches(leaf, by_leaf, n=1, cutoff=0.75)]
    if close:
        return f"did you mean {close[0]}?"
    keys = [name for name in names if section and name.startswith(section)]
    return f"the keys are {', '.join(keys or model.model_fields)}"
