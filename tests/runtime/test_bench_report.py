"""How the bench reports: measurements, their table, and the best quality for a machine."""

from __future__ import annotations

import json
import math

import pytest

from latent_resonance.bench import FAMILIES
from latent_resonance.bench.measurement import Measurement
from latent_resonance.bench.quality import BUSIER_OF_TWO, Load, best_quality, median_load
from latent_resonance.bench.table import summary, table_lines

# Measurements.


@pytest.mark.parametrize(
    ("value", "target", "at_least", "ok"),
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
def test_a_measurement_is_ok_when_its_target_is_met(
    value: float | str | None, target: float | None, at_least: bool, ok: bool | None
) -> None:
    assert Measurement("a.b", value, "ms", target, at_least).ok is ok


def test_json_has_five_keys_and_six_significant_digits() -> None:
    found = Measurement("eye.x", 1.23456789, "ms", target=2.0, remark="for people").as_dict()
    assert found == {"name": "eye.x", "value": 1.23457, "unit": "ms", "target": 2.0, "ok": True}
    assert list(found) == ["name", "value", "unit", "target", "ok"]


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_nan_and_infinity_are_printed_but_null_in_json(value: float) -> None:
    measurement = Measurement("eye.x", value, "ms")
    assert json.loads(json.dumps(measurement.as_dict(), allow_nan=False))["value"] is None
    assert f"{value} ms" in "".join(table_lines([measurement]))


TABLE = [
    Measurement("voice.loop.p50", 9.04, "µs"),
    Measurement("voice.loop.p95", 12345.6, "µs"),
    Measurement("voice.tone.p50", 0.0, "µs"),
    Measurement("voice.latency", 119.6, "ms", target=128.0),
    Measurement("voice.render", 8.25, "× real", target=10.0, at_least=True),
    Measurement("processes.eye_cpu", None, "% of a core", target=40.0, remark="no eye"),
    Measurement("processes.underflows", 0, "", target=0),
    Measurement("quality.answer", "high", ""),
]


def test_the_table_has_a_line_for_each_target_and_one_for_related_values() -> None:
    printed = [" ".join(line.split()) for line in table_lines(TABLE)]
    assert printed == [
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


def test_the_summary_names_missed_targets_and_values_not_measured() -> None:
    assert summary(TABLE) == (
        "2 of 4 targets are met; missed: voice.render; not measured: processes.eye_cpu"
    )
    assert summary(TABLE[:1]).startswith("no figure here has a target")


# The quality for a machine.


def test_the_best_quality_with_enough_headroom_is_the_answer() -> None:
    assert best_quality({"high": 1.0, "medium": 2.0, "low": 3.0}) == "high"
    assert best_quality({"high": 0.9, "medium": 2.0, "low": 3.0}) == "medium"
    assert best_quality({"high": 0.1, "medium": 0.2, "low": 0.3}) == "low"


@pytest.mark.parametrize("part", ["synthesis", "generation", "eye"])
def test_each_part_of_a_load_can_be_too_much_by_itself(part: str) -> None:
    light = {"synthesis": 0.01, "generation": 0.01, "eye": 0.01}
    assert Load(**light).headroom(4) > 10
    assert Load(**light | {part: 0.96}).headroom(64) < 1.0


def test_a_machine_with_few_cores_has_less_headroom() -> None:
    load = Load(synthesis=0.3, generation=0.3, eye=0.4)
    assert load.headroom(1) == pytest.approx(0.6)
    assert load.headroom(2) == pytest.approx(1.2)
    assert load.headroom(16) == pytest.approx(5 / 3)  # the synthesis runs on one core


def test_from_four_cores_on_two_threads_share_the_work_of_the_eye() -> None:
    load = Load(synthesis=0.1, generation=0.1, eye=0.7)
    assert load.headroom(3) == pytest.approx(1.0)
    assert load.headroom(4) == pytest.approx(1.0 / BUSIER_OF_TWO)


def test_a_machine_without_a_tracker_has_headroom_too() -> None:
    assert math.isfinite(Load(synthesis=0.1, generation=0.1, eye=0.0).headroom(2))


def test_one_busy_measurement_does_not_decide() -> None:
    calm, busy = Load(0.2, 0.1, 0.3), Load(0.9, 0.8, 0.9)
    assert median_load([calm, busy, calm]) == calm
    assert median_load([busy, calm, busy]) == busy
