"""What is written of a day: counts, and nothing about anybody."""

from __future__ import annotations

from collections import Counter
from datetime import date

from latent_resonance.gallery.daily_log import Counts, DailyLog, FaultCounter

FIRST, SECOND, THIRD = (date(2026, 12, day) for day in (1, 2, 3))


def test_a_day_is_one_line_at_its_end() -> None:
    daily_log, counts = DailyLog(), Counts()
    for visits in range(4):
        counts.visits, counts.played_s = visits, 61.4 * visits
        assert daily_log.step(counts, FIRST) is None
    counts.faults["underflow"] = 3
    counts.faults["speaker lost"] = 1
    line = daily_log.step(counts, SECOND)
    assert line == ("2026-12-01: 3 visits, 184 s for visitors, 1 × speaker lost, 3 × underflow")
    assert daily_log.step(counts, SECOND) is None


def test_the_next_day_begins_at_nothing() -> None:
    daily_log = DailyLog()
    daily_log.step(Counts(), FIRST)
    counts = Counts(5, 100.0, Counter({"eye silent": 2}))
    daily_log.step(counts, SECOND)
    counts.visits += 1
    assert daily_log.step(counts, THIRD) == "2026-12-02: 1 visit, 0 s for visitors, no faults"


def test_at_leaving_the_rest_of_the_day_is_told() -> None:
    daily_log = DailyLog()
    daily_log.step(Counts(), FIRST)
    daily_log.step(Counts(2, 30.0), SECOND)
    assert daily_log.final_line(Counts(3, 45.0)) == "2026-12-02: 1 visit, 15 s for visitors, no faults"


def test_what_happens_while_the_clock_is_wrong_belongs_to_the_day_that_follows() -> None:
    daily_log = DailyLog()
    assert daily_log.step(Counts(1, 10.0), None) is None
    assert daily_log.step(Counts(2, 20.0), FIRST) is None
    assert daily_log.step(Counts(3, 30.0), None) is None
    assert daily_log.step(Counts(4, 40.0), SECOND) == (
        "2026-12-01: 4 visits, 40 s for visitors, no faults"
    )


def test_without_a_date_the_last_line_is_of_today() -> None:
    assert DailyLog().final_line(Counts(1, 9.6)) == "today: 1 visit, 10 s for visitors, no faults"


def test_a_fault_is_counted_when_it_begins_and_not_for_as_long_as_it_lasts() -> None:
    faults = FaultCounter()
    for active in (False, True, True, True, False, True):
        faults.update("speaker lost", active=active)
    assert faults.totals == Counter({"speaker lost": 2})


def test_what_is_counted_elsewhere_is_taken_over() -> None:
    faults = FaultCounter()
    for number in (0, 3, 7):
        faults.set_total("underflow", number)
    assert faults.totals == Counter({"underflow": 7})
