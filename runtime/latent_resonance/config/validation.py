"""The base class of validated YAML sections, and one message per invalid value.

Pure. Settings and packs are pydantic models; each pydantic error becomes one message with the
key, the value, the rule and the remedy.
"""

from __future__ import annotations

import difflib
import os
import textwrap
from collections.abc import Iterator
from typing import Any

# Pydantic would search every installed package for plugins of its own, for 40 ms.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from latent_resonance.config.boundary import shown

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


class Section(BaseModel):
    """A frozen group of keys; unknown keys are errors, a blank value is the default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_default(cls, data: Any) -> Any:  # noqa: ANN401  any YAML value
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None}


def as_tuple(value: object) -> object:
    """A YAML list as a tuple, which strict validation requires; anything else unchanged."""
    return tuple(value) if isinstance(value, list) else value


def error_messages(error: ValidationError, model: type[Section]) -> list[str]:
    """One message for each invalid key, in the order of the file."""
    messages: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        key = ".".join(shown(str(part)) for part in detail["loc"])
        messages.setdefault(key, _message(key, detail, model))
    return list(messages.values())


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
    if detail["type"] == "invalid_key":
        return f"{shown(repr(detail['input']))} is no key; keys are words such as `pack`"
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key; {_suggestion(key, model)}"
    if detail["type"] == "missing":
        return f"{key}: is missing; {_remedy(key, model)}"
    value = _shortened(detail["input"])
    return f"{key}: {value} {_rule(detail)}; {_remedy(key, model)}"


def _shortened(value: object) -> str:
    text = textwrap.shorten(repr(value), MAX_VALUE_CHARACTERS, placeholder="…")
    return text if text != "…" else f"{repr(value)[: MAX_VALUE_CHARACTERS - 1]}…"


def _rule(detail: ErrorDetails) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in COMPARISONS:
        limit = next(iter(context.values()))
        return f"should be {COMPARISONS[kind]} {limit:g}"
    if kind == "value_error":
        return str(context["error"])
    message = detail["msg"].removeprefix("Input ")
    return RULES.get(kind, message[0].lower() + message[1:])


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
    sections = {".".join(name.split(".")[:depth]) for name in names for depth in (1, 2)}
    candidates = [*names, *sorted(sections.difference(names, {section}))]
    close = difflib.get_close_matches(key, candidates, n=1, cutoff=0.75)
    if not close:  # the right name in the wrong section, or without one
        by_leaf = {name.rpartition(".")[2]: name for name in reversed(names)}
        close = [by_leaf[n] for n in difflib.get_close_matches(leaf, by_leaf, n=1, cutoff=0.75)]
    if close:
        return f"did you mean {close[0]}?"
    return f"the keys are {', '.join(name for name in names if name.startswith(section))}"
