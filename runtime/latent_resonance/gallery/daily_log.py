"""One line per day for the journal: visits, seconds played, faults by kind.

Pure: totals since the start and the date come in, a line comes out when a day is over. The line
holds counts of a whole day, and no time of any visit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date


@dataclass
class Counts:
    """Totals since the start.

    Attributes
    ----------
    visits : visits that have started
    played_s : seconds played for visitors
    faults : number of faults by kind
    """

    visits: int = 0
    played_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    def copy(self) -> Counts:
        """An independent copy."""
        return Counts(self.visits, self.played_s, self.faults.copy())

    def since(self, earlier: Counts) -> Counts:
        """The difference to earlier totals."""
        faults = self.faults - earlier.faults
        return Counts(self.visits - earlier.visits, self.played_s - earlier.played_s, faults)

    def __str__(self) -> str:
        visits = "1 visit" if self.visits == 1 else f"{self.visits} visits"
        faults = ", ".join(f"{number} × {kind}" for kind, number in sorted(self.faults.items()))
        return f"{visits}, {self.played_s:.0f} s for visitors, {faults or 'no faults'}"


class FaultCounter:
    """Counts how often each kind of fault begins."""

    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.active: set[str] = set()

    def update(self, kind: str, *, active: bool) -> None:
        """Record whether a kind of fault is present now."""
        if active and kind not in self.active:
            self.totals[kind] += 1
        (self.active.add if active else self.active.discard)(kind)

    def set_total(self, kind: str, total: int) -> None:
        """Take over a total that is counted elsewhere."""
        if total:
            self.totals[kind] = total


class DailyLog:
    """Detects the end of a day.

    While the clock is invalid there is no date; what happens meanwhile counts for the next day.
    """

    def __init__(self) -> None:
        self.today: date | None = None
        self.start_of_day = Counts()

    def step(self, counts: Counts, today: date | None) -> str | None:
        """The line for a day that is over, else None; `today` is None while it is unknown."""
        if today is None or today == self.today:
            return None
        yesterday, self.today = self.today, today
        if yesterday is None:
            return None
        line = f"{yesterday}: {counts.since(self.start_of_day)}"
        self.start_of_day = counts.copy()
        return line

    def final_line(self, counts: Counts) -> str:
        """The line at exit, for the day so far."""
        return f"{self.today or 'today'}: {counts.since(self.start_of_day)}"
