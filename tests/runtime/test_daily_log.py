"""The daily log: counts per day, and no times of visits."""

from __future__ import annotations

from collections import Counter
from datetime import date

from latent_resonance.gallery.daily_log import Counts, DailyLog, FaultCounter

FIRST, SECOND, THIRD = (date(2026, 12, day) for day in (1, 2, 3))


def test_a_day_is_logged_in_one_line_at_its_end() -> None:
    daily_log, counts = DailyLog(), Counts()
    for visits in range(4):
        counts.visits, counts.played_s = visits, 61.4 * visits
        assert daily_log.step(counts, FIRST) is None
    counts.faults["underflow"] = 3
    counts.faults["speaker lost"] = 1
    line = daily_log.step(counts, SECOND)
    assert line == ("2026-12-01: 3 visits, 184 s for visitors, 1 × speaker lost, 3 × underflow")
    assert daily_log.step(counts, SECOND) is None


def test_the_next_day_starts_at_zero() -> None:
    daily_log = DailyLog()
    daily_log.step(Counts(), FIRST)
    counts = Counts(5, 100.0, Counter({"eye silent": 2}))
    daily_log.step(counts, SECOND)
    counts.visits += 1
    assert daily_log.step(counts, THIRD) == "2026-12-02: 1 visit, 0 s for visitors, no faults"


def test_at_exit_the_rest_of_the_day_is_logged() -> None:
    daily_log = DailyLog()
    daily_log.step(Counts(), FIRST)
    daily_log.step(Counts(2, 30.0), SECOND)
    assert (
        daily_log.final_line(Counts(3, 45.0)) == "2026-12-02: 1 visit, 15 s for visitors, no faults"
    )


def test_events_during_an_invalid_clock_count_for_the_next_day() -> None:
    daily_log = DailyLog()
    assert daily_log.step(Counts(1, 10.0), None) is None
    assert daily_log.step(Counts(2, 20.0), FIRST) is None
    assert daily_log.step(Counts(3, 30.0), None) is None
    assert daily_log.step(Counts(4, 40.0), SECOND) == (
        "2026-12-01: 4 visits, 40 s for visitors, no faults"
    )


def test_without_a_date_the_final_line_says_today() -> None:
    assert DailyLog().final_line(Counts(1, 9.6)) == "today: 1 visit, 10 s for visitors, no faults"


def test_a_fault_is_counted_once_when_it_begins() -> None:
    faults = FaultCounter()
    for active in (False, True, True, True, False, True):
        faults.update("speaker lost", active=active)
    assert faults.totals == Counter({"speaker lost": 2})


def test_totals_counted_elsewhere_are_taken_over() -> None:
    faults = FaultCounter()
    for total in (0, 3, 7):
        faults.set_total("underflow", total)
    assert faults.totals == Counter({"underflow": 7})
