"""The base class of validated YAML sections, and one message per invalid value.

Pure. Settings and packs are pydantic models; each pydantic error becomes one message with the
key, the value, the rule and the remedy.
"""

from __future__ import annotations

import difflib
import os
import re
import textwrap
import unicodedata
from collections.abc import Iterator
from datetime import date
from typing import Any

# Pydantic would search every installed package for plugins of its own, for 40 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from latent_resonance.config.boundary import MAX_SHOWN_CHARACTERS, shown
from latent_resonance.config.invisible import name_of

RULES = {
    "missing": "is missing",
    "model_type": "should be a section: indented keys with values",
    "dict_type": "should be a section: indented keys with values",
    "int_type": "should be a whole number",
    "int_from_float": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "string_type": "should be text, in quotes if it looks like a number",
    "finite_number": "should be a finite number",
    "tuple_type": "should be a list: [a, b]",
    "list_type": "should be a list: [a, b]",
}
COMPARISONS = {
    "greater_than_equal": "at least",
    "less_than_equal": "at most",
    "greater_than": "above",
}
MAX_VALUE_CHARACTERS = 40  # shown of an invalid value
MAX_MESSAGES = 20  # of a file; a line in a journal for each
WITH_UNIT = re.compile(r"([-+]?\d{1,15}(?:\.\d{1,15})?)\s*(?:dB|dBTP|LUFS|Hz|s|px|MiB)?")


class Section(BaseModel):
    """A frozen group of keys; unknown keys are errors, a blank value is the default.

    A key is text: one that YAML takes for a date is unknown like any other.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_default(cls, data: Any) -> Any:  # noqa: ANN401  any YAML value
        if not isinstance(data, dict):
            return data
        return {str(key): value for key, value in data.items() if value is not None}


def as_tuple(value: object) -> object:
    """A YAML list as a tuple, which strict validation requires; anything else unchanged."""
    return tuple(value) if isinstance(value, list) else value


def error_messages(error: ValidationError, model: type[Section]) -> list[str]:
    """One message for each invalid key, in the order of the file."""
    messages: dict[str, str] = {}
    details = error.errors(include_url=False)
    for detail in details[:MAX_MESSAGES]:
        key = ".".join(_printable(str(part)) for part in detail["loc"])
        messages.setdefault(key, _message(key, detail, model))
    rest = len(details) - MAX_MESSAGES
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


def _message(key: str, detail: ErrorDetails, model: type[Section]) -> str:
    if detail["type"] == "extra_forbidden":
        written = ".".join(map(str, detail["loc"]))[:MAX_SHOWN_CHARACTERS]
        return f"{key}: unknown key{_foreign_letter(written)}; {_suggestion(written, model)}"
    if detail["type"] == "missing":
        return f"{key}: is missing; {_remedy(key, model)}"
    value = _shortened(detail["input"])
    return f"{key}: {value} {_rule(detail)}; {_remedy(key, model)}"


def _foreign_letter(key: str) -> str:
    """A letter that may look like one of ours; all valid keys are ASCII."""
    foreign = next((character for character in key if not character.isascii()), "")
    return f" (it has {name_of(foreign)})" if foreign else ""


def _shortened(value: object) -> str:
    whole = str(value) if isinstance(value, date) else repr(value)
    text = textwrap.shorten(whole, MAX_VALUE_CHARACTERS, placeholder="…")
    return text if text != "…" else f"{whole[: MAX_VALUE_CHARACTERS - 1]}…"


def _rule(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in COMPARISONS:
        limit = next(iter(context.values()))
        return f"should be {COMPARISONS[kind]} {limit:g}"
    if kind == "value_error":
        return str(context["error"])
    if kind in ("int_type", "float_type") and (number := _number_meant(detail["input"])):
        return f"{RULES[kind]}: write {number}"
    message = detail["msg"].removeprefix("Input ")
    return RULES.get(kind, message[0].lower() + message[1:])


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
    if field.is_required() or field.default is None:
        return meaning
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"{meaning}; leave it out for {default!r}"


def _suggestion(key: str, model: type[Section]) -> str:
    """The closest valid key in any section; else the keys of its section."""
    names = [name for name, _ in leaf_fields(model)]
    section, _, leaf = key.rpartition(".")
    if key in names:  # which is how keys are written here, and not in a file
        return f"write it as `{key.replace('.', ': {')}: …{'}' * key.count('.')}`"
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
