"""Groups of keys as classes, whose values are checked when they are read.

Pure. A `Section` is frozen. Its annotations name the types, `Field` and `Annotated` the rules
(`rules.py`). Of its own rather than Pydantic's, whose import and models were a quarter of the
processor time until the first sound (docs/benchmarks.md, Start).
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import date
from typing import Any, ClassVar, NoReturn, Self

from latent_resonance.config.rules import (
    MISSING,
    REQUIRED,
    SECTION,
    UNKNOWN,
    After,
    AfterWith,
    Before,
    Fault,
    FieldInfo,
    ValidationError,
    check_of,
    parts_of,
    refused,
    within,
)


def Field(default: Any = REQUIRED, **rules: Any) -> Any:  # noqa: ANN401, N802  of the key's type
    """The default and the rules of a key; `FieldInfo` has their names."""
    return FieldInfo(default, **rules)


class Section:
    """A frozen group of keys; unknown keys are faults, a blank value is the default.

    A key is text: one that YAML takes for a date is unknown like any other.

    Raises
    ------
    ValidationError
        A value breaks a rule.
    """

    model_fields: ClassVar[dict[str, FieldInfo]] = {}

    def __init_subclass__(cls) -> None:
        cls.model_fields = dict(cls.model_fields)
        for name, annotation in inspect.get_annotations(cls, eval_str=True).items():
            cls.model_fields[name] = _field(annotation, cls.__dict__.get(name, REQUIRED))

    def __init__(self, **values: Any) -> None:
        self.__dict__.update(_checked(type(self), values))

    @classmethod
    def model_validate(cls, content: object) -> Self:
        """A section of the keys and values that YAML gives.

        Raises
        ------
        ValidationError
            A value breaks a rule.
        """
        if isinstance(content, cls):
            return content
        if not isinstance(content, dict):
            raise refused(content, SECTION)
        section = cls.__new__(cls)
        section.__dict__.update(_checked(cls, content))
        return section

    def model_copy(self, *, update: Mapping[str, Any]) -> Self:
        """A copy with other values, which are not checked."""
        section = type(self).__new__(type(self))
        section.__dict__.update(self.__dict__)
        section.__dict__.update(update)
        return section

    def model_dump(self, *, exclude: Collection[str] = ()) -> dict[str, Any]:
        """The values as YAML or JSON would have them, by name."""
        return {name: _plain(value) for name, value in self if name not in exclude}

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return iter(self.__dict__.items())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.__dict__ == other.__dict__

    def __hash__(self) -> int:
        return hash((type(self), *self.__dict__.values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self)})"

    def __setattr__(self, name: str, value: Any) -> NoReturn:  # noqa: ANN401  any
        raise AttributeError(f"{name}: settings are frozen")


def _checked(section: type[Section], content: dict[Any, Any]) -> dict[str, Any]:
    """The values of all keys, in the order of the class."""
    given = {str(key): value for key, value in content.items() if value is not None}
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, field in section.model_fields.items():
        key = field.alias or name
        value = given.pop(key, REQUIRED)
        if value is not REQUIRED:
            try:
                values[name] = field.checked(value, values)
            except ValidationError as error:
                faults += within(key, error)
        elif field.required:
            faults.append(Fault((key,), content, "is missing", MISSING))
        else:
            values[name] = field.default
    faults += [Fault((key,), value, "is unknown", UNKNOWN) for key, value in given.items()]
    if faults:
        raise ValidationError(faults)
    return values


def _field(annotation: Any, default: Any) -> FieldInfo:  # noqa: ANN401  of the class
    """The key of a class: its annotation, and what it is set to there."""
    field = default if isinstance(default, FieldInfo) else FieldInfo(default)
    field.annotation, *rules = parts_of(annotation)
    for rule in rules:
        if isinstance(rule, FieldInfo):
            field.add(rule)
        if isinstance(rule, AfterWith):
            field.after = rule
    others = [rule for rule in rules if isinstance(rule, Before | After)]
    field.check = check_of(field.annotation, [field, *others])
    if not field.required and field.default is not None:
        field.default = field.check(field.default)
    return field


def _plain(value: Any) -> Any:  # noqa: ANN401  any
    """A value of a section as JSON has it."""
    if isinstance(value, Section):
        return value.model_dump()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, date):
        return value.isoformat()
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
