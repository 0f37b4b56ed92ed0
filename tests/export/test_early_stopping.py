"""When a run is done: a rule of the steps and of the distances that were measured."""

from __future__ import annotations

from latent_resonance_export.gan.early_stopping import Goal, has_plateaued, stop_reason


def falling(*values: float) -> list[tuple[int, float]]:
    """One measurement every 100 steps."""
    return [(100 * i, value) for i, value in enumerate(values)]


def test_what_still_falls_has_not_settled() -> None:
    assert not has_plateaued(falling(100, 90, 81, 73, 66, 59, 53), patience=200)


def test_what_has_not_fallen_for_so_long_has_settled() -> None:
    assert has_plateaued(falling(100, 50, 51, 50, 52), patience=300)
    assert not has_plateaued(falling(100, 50, 51, 50, 52), patience=400)


def test_a_fall_of_less_than_a_fiftieth_is_chance() -> None:
    assert has_plateaued(falling(100, 50, 49.5, 49.2), patience=200)
    assert not has_plateaued(falling(100, 50, 49.5, 48.9), patience=200)


def test_one_good_measurement_among_bad_ones_is_worth_waiting_for() -> None:
    assert not has_plateaued(falling(100, 50, 60, 40, 70), patience=300)


def test_one_bad_measurement_does_not_end_a_run() -> None:
    assert not has_plateaued(falling(100, 50, 300, 30, 28), patience=200)


def test_nothing_is_said_before_there_was_time_to_get_better() -> None:
    assert not has_plateaued([], patience=100)
    assert not has_plateaued(falling(100), patience=100)
    assert not has_plateaued(falling(100, 100), patience=200)


def test_steps_end_a_run_with_and_without_a_plateau() -> None:
    flat = falling(50, 50, 50, 50)
    assert stop_reason(Goal(400), 300, flat) == ""
    assert stop_reason(Goal(400), 400, flat) == "steps"
    assert stop_reason(Goal(400, patience=200), 300, flat) == "plateau"
    assert stop_reason(Goal(400, patience=400), 300, flat) == ""
