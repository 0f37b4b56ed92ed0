"""A group of keys and its rules: what is kept, and every fault of what is refused."""

from __future__ import annotations

import pickle
from typing import Annotated, Literal

import pytest

from latent_resonance.config.rules import (
    MISSING,
    UNKNOWN,
    After,
    AfterWith,
    Before,
    ValidationError,
)
from latent_resonance.config.section import Field, Section
from latent_resonance.config.settings import Settings


def even(value: int) -> int:
    if value % 2:
        raise ValueError("should be even")
    return value


def below(value: float, others: dict[str, float]) -> float:
    if value > others.get("high", value):
        raise ValueError("should be below high")
    return value


Word = Annotated[str, Field(min_length=2, max_length=4)]


class Inner(Section):
    shares: Annotated[tuple[float, float], Before(tuple)] = (0.0, 1.0)
    mode: Literal["loud", "soft", 3] = "loud"


class Outer(Section):
    high: float = Field(1.0, gt=0.0, le=2.0)
    low: Annotated[float, AfterWith(below)] = 0.0
    count: Annotated[int | None, After(even)] = None
    words: Annotated[tuple[Word, ...], Before(tuple)] = ()
    name: Word | None = None
    code: str = Field("ab", alias="the-code", pattern="^[ab]+$")
    needed: bool
    inner: Inner = Inner()


class Higher(Outer):
    high: float = Field(1.5, gt=0.0, le=4.0)
    more: int = 0


def faults_of(**values: object) -> dict[str, str]:
    with pytest.raises(ValidationError) as caught:
        Outer(**{"needed": True, **values})
    return {".".join(map(str, fault.location)): fault.rule for fault in caught.value.faults}


def test_every_fault_is_found_at_once_in_its_place() -> None:
    inner = {"shares": [0.5, "x"], "mode": "3", "more": 1}
    found = faults_of(high=3, words=["abc", "a", 5], needed=None, inner=inner, other={})
    assert found == {
        "high": "should be at most 2",
        "words.1": "string should have at least 2 characters",
        "words.2": "should be text, in quotes if it looks like a number",
        "needed": "is missing",
        "inner.shares.1": "should be a number",
        "inner.mode": "should be 'loud', 'soft' or 3",
        "inner.more": "is unknown",
        "other": "is unknown",
    }


def test_a_missing_key_and_an_unknown_one_are_told_apart() -> None:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate({"code": "ab", "the-code": "ab"})
    kinds = {fault.location: fault.kind for fault in caught.value.faults}
    assert kinds == {("needed",): MISSING, ("code",): UNKNOWN}


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("high", True, "number"),
        ("high", "1", "number"),
        ("high", float("nan"), "finite"),
        ("high", 10**400, "number"),
        ("high", 0, "above 0"),
        ("count", 2.0, "whole number"),
        ("count", 3, "even"),
        ("needed", 1, "true or false"),
        ("the-code", "ab\n", "match"),
        ("name", "abcde", "at most 4 characters"),
        ("low", 1.5, "below high"),
        ("inner", [], "section"),
        ("words", "abc", "at least 2"),
    ],
)
def test_types_and_limits_are_strict(key: str, value: object, rule: str) -> None:
    (found,) = {each for place, each in faults_of(**{key: value}).items() if key in place}
    assert rule in found


def test_a_rule_on_another_key_is_left_out_where_that_is_refused() -> None:
    assert faults_of(high=-1, low=1.5) == {"high": "should be above 0"}


@pytest.mark.parametrize("n", [0, 1, 3])
def test_a_pair_has_two_numbers(n: int) -> None:
    with pytest.raises(ValidationError):
        Inner(shares=[0.5] * n)


def test_a_blank_value_is_the_default_and_a_whole_number_counts_as_one() -> None:
    found = Outer.model_validate({"needed": False, "high": 2, "inner": {"mode": None}})
    assert found == Outer(needed=False, high=2.0)
    assert isinstance(found.high, float)


def test_a_derived_section_keeps_the_order_and_changes_what_it_names() -> None:
    assert list(Higher.model_fields) == [*Outer.model_fields, "more"]
    assert Higher(needed=True, high=3).high == 3.0
    assert Higher(needed=True).high == 1.5
    assert Outer(needed=True).high == 1.0


def test_a_section_is_frozen_equal_by_value_and_can_be_copied_and_sent() -> None:
    section = Outer(needed=True, inner={"mode": 3})
    with pytest.raises(AttributeError, match="frozen"):
        section.high = 2.0
    changed = section.model_copy(update={"high": 2.0})
    assert (changed.high, section.high) == (2.0, 1.0)
    assert changed != section
    assert changed.model_copy(update={"high": 1.0}) == section
    assert hash(pickle.loads(pickle.dumps(section))) == hash(section)


def test_dumped_settings_are_plain_and_give_the_same_settings() -> None:
    settings = Settings.model_validate(
        {"output": {"routing": [{"plays": 1}, {"plays": "sub"}]}, "eye": {"threads": 2}}
    )
    dumped = settings.model_dump(exclude={"hours", "quiet"})
    assert dumped["output"]["routing"][1]["plays"] == "sub"
    assert Settings.model_validate(dumped) == settings
