"""What a broker is told of a report. Pure.

In: the voice's newest report, and how old it is. Out: the object that is published as JSON. Values
that are not known, and all those of a voice that is not heard, are None: nobody is shown what was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.health import UNHEARD, condition_of
from latent_resonance.monitor.metrics import UNDERFLOW

LONGEST_REASON = 250  # characters; Home Assistant takes 255
VALUES: dict[str, Callable[[Report], object]] = {
    "images_per_s": lambda report: round(report.images_per_s, 1),
    "celsius": lambda report: report.celsius,
    "loudness_lufs": lambda report: round(report.loudness_lufs, 1),
    "underflows": lambda report: report.underflows,
    "faults": lambda report: sum(report.faults.values()) - report.faults.get(UNDERFLOW, 0),
    "tier": lambda report: report.tier,
    "pack": lambda report: report.pack,
    "build": lambda report: report.build,
}


class Seldom:
    """A number that is renewed so seldom that it does not tell when it rose."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._shown, self._due_s = 0, 0.0

    def step(self, number: int, now_s: float) -> int:
        """What may be shown at now_s; a number that fell has begun anew, and is shown."""
        if now_s >= self._due_s or number < self._shown:
            self._shown, self._due_s = number, now_s + self._every_s
        return self._shown


def state_of(report: Report | None, age_s: float, visits: int) -> dict[str, Any]:
    """The object.

    Parameters
    ----------
    report : the newest of the voice, None before the first
    age_s : seconds since it came
    visits : since the voice's start, as they may be shown
    """
    condition = condition_of(report, age_s)
    heard = None if condition.state == UNHEARD else report
    state = {
        "state": condition.state,
        "problem": "ON" if condition.problem else "OFF",
        "reason": _reason(condition.problem, heard),
        "visits": visits if heard else None,
    }
    return state | {key: of(heard) if heard else None for key, of in VALUES.items()}


def _reason(problem: str, report: Report | None) -> str:
    remarks = [problem]
    if report:
        remarks += [report.refused, report.tier_reason if report.tier else ""]
    return "; ".join(filter(None, remarks))[:LONGEST_REASON] or "all well"
