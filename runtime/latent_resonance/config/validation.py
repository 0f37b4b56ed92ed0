"""What a checked section of a YAML file is, and sentences for what is wrong with one.

Pure. Settings and packs are both pydantic models; what pydantic says of a value becomes
one sentence with the key, the value, the rule and the remedy.
"""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic.fields import FieldInfo

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
NATURES = {"greater_than_equal": "at least", "less_than_equal": "at most", "greater_than": "above"}
LONGEST_VALUE = 40  # characters of a wrong value that are shown


class Section(BaseModel):
    """A frozen group of keys; unknown keys are refused, a key left blank has its default."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True
    )

    @model_validator(mode="before")
    @classmethod
    def _blank_is_default(cls, data: Any) -> Any:  # noqa: ANN401  whatever YAML held
        if not isinstance(data, dict):
            return data
        return {key: value for key, value in data.items() if value is not None}


def as_tuple(value: object) -> object:
    """YAML's lists, as frozen sections hold them."""
    return tuple(value) if isinstance(value, list) else value


def sentences(error: ValidationError, model: type[Section]) -> list[str]:
    """One sentence for each key that is wrong, in the file's order."""
    found: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        key = ".".join(str(part) for part in detail["loc"])
        found.setdefault(key, _sentence(key, detail, model))
    return list(found.values())


def keys_of(model: type[Section], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key that holds a value, dotted, with its field."""
    for name, field in model.model_fields.items():
        inner = _section_in(field)
        if inner is None:
            yield prefix + name, field
        else:
            yield from keys_of(inner, f"{prefix}{name}.")


def _section_in(field: FieldInfo) -> type[Section] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, Section) else None


def _sentence(key: str, detail: Any, model: type[Section]) -> str:  # noqa: ANN401  pydantic's
    if detail["type"] == "extra_forbidden":
        return f"{key}: unknown key; {_nearest(key, model)}"
    if detail["type"] == "missing":
        return f"{key}: is missing; {_remedy(key, model)}"
    value = textwrap.shorten(repr(detail["input"]), LONGEST_VALUE, placeholder="…")
    return f"{key}: {value} {_rule(detail)}; {_remedy(key, model)}"


def _rule(detail: Any) -> str:  # noqa: ANN401  pydantic's
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in NATURES:
        limit = next(iter(context.values()))
        return f"should be {NATURES[kind]} {limit:g}"
    if kind == "value_error":
        return str(context["error"])
    message = detail["msg"].removeprefix("Input ")
    return RULES.get(kind, message[0].lower() + message[1:])


def _remedy(key: str, model: type[Section]) -> str:
    """What the key holds, with its unit, and its default if it has one."""
    fields = dict(keys_of(model))
    while key not in fields and "." in key:  # one value of a list
        key = key.rpartition(".")[0]
    if key not in fields:
        return f"its keys are {', '.join(k for k in fields if k.startswith(key))}"
    field = fields[key]
    meaning = field.description or key
    if field.is_required() or field.default is None:
        return meaning
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return f"{meaning}; leave it out for {default!r}"


def _nearest(key: str, model: type[Section]) -> str:
    """The right name for an unknown key, wherever it belongs; else the names there are."""
    names = [name for name, _ in keys_of(model)]
    section, _, leaf = key.rpartition(".")
    sections = {".".join(name.split(".")[:depth]) for name in names for depth in (1, 2)}
    candidates = [*names, *sorted(sections.difference(names, {section}))]
    close = difflib.get_close_matches(key, candidates, n=1, cutoff=0.75)
    if not close:  # the right name in the wrong section, or under none
        homes = {name.rpartition(".")[2]: name for name in reversed(names)}
        close = [homes[n] for n in difflib.get_close_matches(leaf, homes, n=1, cutoff=0.75)]
    if close:
        return f"did you mean {close[0]}?"
    return f"the keys are {', '.join(name for name in names if name.startswith(section))}"
