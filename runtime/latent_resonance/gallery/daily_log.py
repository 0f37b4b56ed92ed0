"""What a day was like, in one line for the journal: visits, seconds played, faults by kind.

Pure: told the totals since the start and the date, it answers with a sentence when a day is over.
Counts only, of a whole day; when somebody came is nowhere.
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
    visits : that have begun
    played_s : seconds played for visitors
    faults : by kind, in words
    """

    visits: int = 0
    played_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)

    def copy(self) -> Counts:
        """As they are now."""
        return Counts(self.visits, self.played_s, self.faults.copy())

    def since(self, before: Counts) -> Counts:
        """What has been added."""
        faults = self.faults - before.faults
        return Counts(self.visits - before.visits, self.played_s - before.played_s, faults)

    def __str__(self) -> str:
        visits = "1 visit" if self.visits == 1 else f"{self.visits} visits"
        faults = ", ".join(f"{number} × {kind}" for kind, number in sorted(self.faults.items()))
        return f"{visits}, {self.played_s:.0f} s for visitors, {faults or 'no faults'}"


class Faults:
    """Counts each time that something begins to be wrong."""

    def __init__(self) -> None:
        self.counted: Counter[str] = Counter()
        self.holding: set[str] = set()

    def notice(self, kind: str, *, holds: bool) -> None:
        """Whether a kind of fault is there now."""
        if holds and kind not in self.holding:
            self.counted[kind] += 1
        (self.holding.add if holds else self.holding.discard)(kind)

    def count(self, kind: str, number: int) -> None:
        """How often a kind of fault has been counted elsewhere."""
        if number:
            self.counted[kind] = number


class DailyLog:
    """Notices the end of a day.

    A clock that cannot be right knows no days: what happens meanwhile is added to the next one.
    """

    def __init__(self) -> None:
        self.today: date | None = None
        self.morning = Counts()

    def step(self, counts: Counts, today: date | None) -> str | None:
        """The line for a day that is over, told the totals and the date (None: not known)."""
        if today is None or today == self.today:
            return None
        yesterday, self.today = self.today, today
        if yesterday is None:
            return None
        line = f"{yesterday}: {counts.since(self.morning)}"
        self.morning = counts.copy()
        return line

    def last(self, counts: Counts) -> str:
        """The line at leaving, for what has passed of the day."""
        return f"{self.today or 'today'}: {counts.since(self.morning)}"
