"""Fitting laws of cost and measuring curves; the times themselves are not tested."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from tests.bench.growing.curves import (
    Curve,
    curves,
    generator_cost_of_bands,
    phase_cost_of_iterations,
    tracker_cost_of_faces,
)
from tests.bench.growing.laws import CONSTANT, LINEAR, WITH_FILTERS, fit
from tests.bench.growing.measures import measure, table
from tests.bench.growing.renders import render_cost
from tests.bench.growth import main as growth

X = (1.0, 2.0, 4.0, 8.0)


def silent(_line: str) -> None:
    """Ignore progress."""


def test_the_coefficients_of_exact_costs_are_found() -> None:
    found = fit(LINEAR, X, [0.5 + 0.25 * x for x in X])
    assert (found.constant, *found.factors) == pytest.approx((0.5, 0.25))
    assert found.max_error < 1e-6
    assert str(found) == "0.5 + 0.25 x"


def test_linear_and_quadratic_terms_are_separated() -> None:
    found = fit(WITH_FILTERS, X, [3.0 * x + 2.0 * x * x for x in X])
    assert found.constant == pytest.approx(0.0, abs=1e-6)
    assert found.factors == pytest.approx((3.0, 2.0))


def test_no_coefficient_is_negative() -> None:
    found = fit(LINEAR, X, [5.0, 4.0, 3.0, 2.0])
    assert min(found.constant, *found.factors) >= 0.0
    assert found.max_error > 0.3  # and it says how badly that fits


def test_the_largest_deviation_from_the_law_is_reported() -> None:
    costs = [10.0, 10.0, 10.0, 15.0]
    assert fit(CONSTANT, X, costs).max_error == pytest.approx(0.3, abs=0.05)
    assert fit(CONSTANT, X[:3], costs[:3]).max_error < 1e-6


def test_the_median_of_several_turns_counts() -> None:
    turns = iter([1.0, 2.0, 4.0, 8.0, 90.0, 2.0, 4.0, 8.0, 1.0, 2.0, 4.0, 8.0])
    curve = Curve("part", "size", "ms", X, lambda _x, _seconds: next(turns))
    (found,) = measure([curve], 0.0, 3, silent)
    assert found.costs == X
    assert "| part, ms | size | 1: 1, 2: 2, 4: 4, 8: 8 | 1 x | 0 % |" in table([found])


def test_every_quantity_that_can_be_set_has_a_curve() -> None:
    varied = {curve.quantity for curve in curves()}
    assert varied == {
        "megapixels",
        "faces in it",
        "mel bands",
        "sample rate, kHz",
        "iterations",
        "open frames",
        "seconds of film",
    }


@pytest.mark.realtime
@pytest.mark.alone
def test_more_work_costs_more() -> None:
    assert phase_cost_of_iterations(16, 0.0) > 3.0 * phase_cost_of_iterations(1, 0.0)
    assert generator_cost_of_bands(1024, 0.5) > generator_cost_of_bands(64, 0.5)
    assert tracker_cost_of_faces("light", 4, 0.2) > 2.0 * tracker_cost_of_faces("light", 0, 0.2)


@pytest.mark.slow
def test_time_and_memory_of_a_render_are_measured() -> None:
    take = render_cost(1.0)
    assert take.cpu_s > 0.5
    assert 60.0 < take.resident_mib < 1000.0


@pytest.mark.slow
def test_the_command_writes_points_and_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--csv", str(tmp_path / "g.csv"), "--plot", str(tmp_path / "g.png")]
    assert growth(["voice", "--seconds", "0", "--turns", "1", *files]) == 0
    assert "| voice, a second, s | mel bands |" in capsys.readouterr().out
    with (tmp_path / "g.csv").open() as file:
        points = list(csv.DictReader(file))
    assert {point["quantity"] for point in points} == {"mel bands", "sample rate, kHz"}
    assert np.isfinite([float(point[key]) for point in points for key in ("measured", "law")]).all()
    assert (tmp_path / "g.png").read_bytes().startswith(b"\x89PNG")


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert growth(["trombone"]) == 2
    assert "name some of generator, light, mediapipe, phase, render" in capsys.readouterr().err
