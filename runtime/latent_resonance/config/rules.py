"""Rules for values of settings and packs, and the check that a type and its rules amount to.

Pure. Types are strict: a text is no number, and only a whole number is one; YAML has made the
values. All faults of a value are found at once, each with its place, its value and its rule.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

Location = tuple[int | str, ...]
Check = Callable[[Any], Any]  # the value to keep; raises ValidationError
REQUIRED: Any = object()  # the default of a key that has none
MISSING, UNKNOWN, NUMBER = "missing", "unknown", "number"  # kinds of faults; a number was expected
SECTION = "should be a section: indented keys with values"
LIST = "should be a list: [a, b]"

# Limits of a field: whether a value is within one, and the rule.
LIMITS: tuple[tuple[str, Callable[[Any, Any], bool], Callable[[Any], str]], ...] = (
    ("le", operator.le, lambda limit: f"should be at most {limit:g}"),
    ("ge", operator.ge, lambda limit: f"should be at least {limit:g}"),
    ("gt", operator.gt, lambda limit: f"should be above {limit:g}"),
    (
        "min_length",
        lambda text, limit: len(text) >= limit,
        lambda limit: f"string should have at least {_counted(limit, 'character')}",
    ),
    (
        "max_length",
        lambda text, limit: len(text) <= limit,
        lambda limit: f"string should have at most {_counted(limit, 'character')}",
    ),
    (
        "pattern",
        lambda text, form: re.fullmatch(form.strip("^$"), text) is not None,
        lambda form: f"string should match pattern {form!r}",
    ),
)


class Fault(NamedTuple):
    """A value that breaks a rule, or a key that is missing or unknown."""

    location: Location
    value: object
    rule: str
    kind: str = ""


class ValidationError(ValueError):
    """What is wrong with a value: one fault or more, with locations within it."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = faults
        super().__init__("; ".join(f"{fault.location}: {fault.rule}" for fault in faults))


@dataclass(frozen=True, slots=True)
class Before:
    """Changes a value before its type is checked; a ValueError is a rule that it breaks."""

    change: Check


@dataclass(frozen=True, slots=True)
class After:
    """Changes or refuses a value of the right type."""

    change: Check


@dataclass(frozen=True, slots=True)
class AfterWith:
    """As `After`, given also the section's valid values so far, by name."""

    change: Callable[[Any, Mapping[str, Any]], Any]


@dataclass(slots=True, eq=False)
class FieldInfo:
    """A key: its default, its meaning, its rules."""

    default: Any = REQUIRED
    description: str | None = None
    alias: str | None = None
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    annotation: Any = None
    check: Check = lambda value: value
    after: AfterWith | None = None

    def checked(self, value: Any, others: Mapping[str, Any]) -> Any:  # noqa: ANN401  any YAML value
        """The value to keep, given also the section's valid values so far."""
        kept = self.check(value)
        if self.after is None:
            return kept
        try:
            return self.after.change(kept, others)
        except ValueError as error:
            raise refused(value, str(error)) from error

    def add(self, other: FieldInfo) -> None:
        """Take over the limits of a type's own field, where this one has none."""
        for name, *_ in LIMITS:
            if getattr(self, name) is None:
                setattr(self, name, getattr(other, name))

    @property
    def required(self) -> bool:
        """Whether the key has no default."""
        return self.default is REQUIRED


def within(key: int | str, error: ValidationError) -> list[Fault]:
    """The faults of the value of a key."""
    return [fault._replace(location=(key, *fault.location)) for fault in error.faults]


def refused(value: object, rule: str, kind: str = "") -> ValidationError:
    """The error of one value."""
    return ValidationError([Fault((), value, rule, kind)])


def parts_of(annotation: Any) -> tuple[Any, ...]:  # noqa: ANN401  a type
    """A type and its rules, from the innermost to the outermost."""
    return get_args(annotation) if get_origin(annotation) is Annotated else (annotation,)


def check_of(kind: Any, rules: list[Any]) -> Check:  # noqa: ANN401  a type
    """The check of a type and of rules, each of which encloses those before it."""
    limits = [rule for rule in rules if isinstance(rule, FieldInfo)]
    check = _type_check(kind, limits)
    for rule in rules:
        if isinstance(rule, Before):
            check = _before(rule.change, check)
        elif isinstance(rule, After):
            check = _and_then(check, rule.change)
    return check


def _before(change: Check, check: Check) -> Check:
    def changed(value: Any) -> Any:  # noqa: ANN401  any YAML value
        try:
            inner = change(value)
        except ValueError as error:
            raise refused(value, str(error)) from error
        return check(inner)

    return changed


def _and_then(check: Check, change: Check) -> Check:
    def changed(value: Any) -> Any:  # noqa: ANN401  any YAML value
        inner = check(value)
        try:
            return change(inner)
        except ValueError as error:
            raise refused(value, str(error)) from error

    return changed


def _type_check(kind: Any, limits: list[FieldInfo]) -> Check:  # noqa: ANN401  a type
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, UnionType):
        return _union(inner, limits)
    if origin is Literal:
        return _literal(inner)
    if origin is tuple:
        return _every(inner[0]) if inner[1:] == (...,) else _each(inner)
    if origin is list:
        return _list(inner[0], limits)
    if hasattr(kind, "model_validate"):
        validate: Check = kind.model_validate
        return validate
    simple = {Any: _anything, bool: _bool, int: _int, float: _float, str: _str}
    check = simple.get(kind) or _instance(origin or kind)
    for limit in limits:
        check = _limited(check, limit)
    return check


def _union(kinds: tuple[Any, ...], limits: list[FieldInfo]) -> Check:
    checks = [check_of(*_limited_type(each, limits)) for each in kinds if each is not NoneType]
    blank = NoneType in kinds

    def check(value: Any) -> Any:  # noqa: ANN401  any YAML value
        if blank and value is None:
            return None
        for each in checks[:-1]:
            try:
                return each(value)
            except ValidationError:
                continue
        return checks[-1](value)

    return check


def _limited_type(annotation: Any, limits: list[FieldInfo]) -> tuple[Any, list[Any]]:  # noqa: ANN401  a type
    kind, *rules = parts_of(annotation)
    return kind, [*rules, *limits]


def _literal(options: tuple[Any, ...]) -> Check:
    known = {option: option for option in options}
    *most, last = map(repr, options)
    rule = f"should be {', '.join(most)} or {last}" if most else f"should be {last}"

    def check(value: Any) -> Any:  # noqa: ANN401  any YAML value
        if isinstance(value, int | float | str) and value in known:
            return known[value]  # 0 for 0.0
        raise refused(value, rule)

    return check


def _items(value: Collection[Any], checks: Iterator[Check]) -> list[Any]:
    """The checked items, all faults of which are found."""
    items: list[Any] = []
    faults: list[Fault] = []
    for i, (item, check) in enumerate(zip(value, checks, strict=False)):
        try:
            items.append(check(item))
        except ValidationError as error:
            faults += within(i, error)
    if faults:
        raise ValidationError(faults)
    return items


def _every(kind: Any) -> Check:  # noqa: ANN401  a type
    check = check_of(*_limited_type(kind, []))

    def checked(value: Any) -> Any:  # noqa: ANN401  any YAML value
        if not isinstance(value, tuple):
            raise refused(value, LIST)
        return tuple(_items(value, repeat(check)))

    return checked


def _each(kinds: tuple[Any, ...]) -> Check:
    checks = [check_of(*_limited_type(kind, [])) for kind in kinds]

    def checked(value: Any) -> Any:  # noqa: ANN401  any YAML value
        if not isinstance(value, tuple):
            raise refused(value, LIST)
        n = len(checks)
        if len(value) > n:
            raise refused(
                value, f"tuple should have at most {n} items after validation, not {len(value)}"
            )
        missing = [Fault((i,), value, "is missing", MISSING) for i in range(len(value), n)]
        try:
            items = _items(value, iter(checks))
        except ValidationError as error:
            raise ValidationError([*error.faults, *missing]) from None
        if missing:
            raise ValidationError(missing)
        return tuple(items)

    return checked


def _list(kind: Any, limits: list[FieldInfo]) -> Check:  # noqa: ANN401  a type
    check, least = (
        check_of(*_limited_type(kind, [])),
        max((each.min_length or 0 for each in limits), default=0),
    )

    def checked(value: Any) -> Any:  # noqa: ANN401  any YAML value
        if not isinstance(value, list):
            raise refused(value, LIST)
        items = _items(value, repeat(check))
        if len(items) < least:
            rule = f"list should have at least {_counted(least, 'item')} after validation"
            raise refused(value, f"{rule}, not {len(items)}")
        return items

    return checked


def _limited(check: Check, field: FieldInfo) -> Check:
    """Within the limits of a number, or of the length and the form of a text."""
    rules = [
        (holds, limit, text(limit))
        for name, holds, text in LIMITS
        if (limit := getattr(field, name)) is not None
    ]

    def checked(given: Any) -> Any:  # noqa: ANN401  any YAML value
        value = check(given)
        for holds, limit, text in rules:
            if not holds(value, limit):
                raise refused(given, text)
        return value

    return checked if rules else check


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _anything(value: Any) -> Any:  # noqa: ANN401  any YAML value
    return value


def _bool(value: Any) -> bool:  # noqa: ANN401  any YAML value
    if isinstance(value, bool):
        return value
    raise refused(value, "should be true or false")


def _int(value: Any) -> int:  # noqa: ANN401  any YAML value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise refused(value, "should be a whole number", NUMBER)


def _float(value: Any) -> float:  # noqa: ANN401  any YAML value
    if not isinstance(value, float | int) or isinstance(value, bool):
        raise refused(value, "should be a number", NUMBER)
    try:
        number = float(value)
    except OverflowError:
        raise refused(value, "should be a number") from None
    if not math.isfinite(number):
        raise refused(value, "should be a finite number")
    return number


def _str(value: Any) -> str:  # noqa: ANN401  any YAML value
    if isinstance(value, str):
        return value
    raise refused(value, "should be text, in quotes if it looks like a number")


def _instance(kind: type) -> Check:
    def check(value: Any) -> Any:  # noqa: ANN401  any value
        if isinstance(value, kind):
            return value
        raise refused(value, f"should be a {kind.__name__}")

    return check
