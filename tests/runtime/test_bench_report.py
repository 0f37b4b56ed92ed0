"""What the bench says of what it measured: figures, their table, and what a machine is fit for."""

from __future__ import annotations

import json
import math

import pytest

from latent_resonance.bench import FAMILIES
from latent_resonance.bench.measurement import Figure
from latent_resonance.bench.quality import Load, best_of
from latent_resonance.bench.table import lines, verdict

# What a figure is.


@pytest.mark.parametrize(
    ("value", "owed", "at_least", "ok"),
    [
        (1.0, 2.0, False, True),
        (2.0, 2.0, False, True),
        (2.1, 2.0, False, False),
        (0, 0, False, True),
        (2.1, 2.0, True, True),
        (1.9, 2.0, True, False),
        (math.nan, 2.0, False, False),
        (math.nan, 2.0, True, False),
        (1.0, None, False, None),
        (None, 2.0, False, None),
        ("high", None, False, None),
    ],
)
def test_a_figure_is_ok_when_what_is_owed_is_met(
    value: float | str | None, owed: float | None, at_least: bool, ok: bool | None
) -> None:
    assert Figure("a.b", value, "ms", owed, at_least).ok is ok


def test_machines_get_five_keys_and_numbers_without_noise() -> None:
    told = Figure("eye.x", 1.23456789, "ms", owed=2.0, remark="for people").as_dict()
    assert told == {"name": "eye.x", "value": 1.23457, "unit": "ms", "owed": 2.0, "ok": True}
    assert list(told) == ["name", "value", "unit", "owed", "ok"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_shown_to_people_and_null_for_machines(value: float) -> None:
    figure = Figure("eye.x", value, "ms")
    assert json.loads(json.dumps(figure.as_dict(), allow_nan=False))["value"] is None
    assert f"{value} ms" in "".join(lines([figure]))


TABLE = [
    Figure("voice.loop.p50", 9.04, "µs"),
    Figure("voice.loop.p95", 12345.6, "µs"),
    Figure("voice.tone.p50", 0.0, "µs"),
    Figure("voice.latency", 119.6, "ms", owed=128.0),
    Figure("voice.render", 8.25, "× real", owed=10.0, at_least=True),
    Figure("processes.eye_cpu", None, "% of a core", owed=40.0, remark="no eye"),
    Figure("processes.underflows", 0, "", owed=0),
    Figure("quality.answer", "high", ""),
]


def test_the_table_has_a_line_for_each_figure_owed_and_one_for_what_belongs_together() -> None:
    told = [" ".join(line.split()) for line in lines(TABLE)]
    assert told == [
        f"voice: {FAMILIES['voice']}",
        "loop p50 9.04 µs p95 12346 µs",
        "tone p50 0.00 µs",
        "latency 120 ms at most 128 ok",
        "render 8.25 × real at least 10 MISSED",
        "",
        f"processes: {FAMILIES['processes']}",
        "eye_cpu not measured at most 40 no eye",
        "underflows 0 at most 0 ok",
        "",
        f"quality: {FAMILIES['quality']}",
        "answer high",
        "",
    ]


def test_the_verdict_names_what_is_missed_and_what_was_not_measured() -> None:
    assert verdict(TABLE) == (
        "2 of 4 figures owed are met; missed: voice.render; not measured: processes.eye_cpu"
    )
    assert verdict(TABLE[:1]) == "0 of 0 figures owed are met"


# What the machine is fit for.


def test_the_best_quality_that_there_is_room_for_is_the_answer() -> None:
    assert best_of({"high": 1.0, "medium": 2.0, "low": 3.0}) == "high"
    assert best_of({"high": 0.9, "medium": 2.0, "low": 3.0}) == "medium"
    assert best_of({"high": 0.1, "medium": 0.2, "low": 0.3}) == "low"


@pytest.mark.parametrize("part", ["synthesis", "dreams", "eye"])
def test_each_part_of_a_load_can_be_too_much_by_itself(part: str) -> None:
    light = {"synthesis": 0.01, "dreams": 0.01, "eye": 0.01}
    assert Load(**light).room(4) > 10
    assert Load(**light | {part: 0.9}).room(64) < 1.0


def test_a_machine_with_few_cores_has_less_room() -> None:
    load = Load(synthesis=0.3, dreams=0.3, eye=0.4)
    assert load.room(1) == pytest.approx(0.6)
    assert load.room(2) == pytest.approx(1.2)
    assert load.room(16) == pytest.approx(5 / 3)  # the synthesis has one core alone


def test_a_machine_that_cannot_see_has_room_too() -> None:
    assert math.isfinite(Load(synthesis=0.1, dreams=0.1, eye=0.0).room(2))
