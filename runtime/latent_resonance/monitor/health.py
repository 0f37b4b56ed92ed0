"""Whether it goes well, in one word and in one sentence: for `/healthz` and for a broker. Pure.

In: the newest report of the voice, and how old it is. Out: what anybody outside may know of it,
which is how the instrument is and never whether somebody stands before it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from latent_resonance.link.telemetry import Report

SILENT_S = 5.0  # a voice reports twice a second; after so long it counts as gone
UNHEARD, STANDBY, CLOSED, SPEAKERLESS, MUTED, QUIET, PLAYING = STATES = (
    "unheard",
    "standby",
    "closed",
    "speakerless",
    "muted",
    "quiet",
    "playing",
)


@dataclass(frozen=True)
class Condition:
    """How the instrument is: one of STATES, and what is wrong (empty if nothing is)."""

    state: str
    problem: str = ""


def condition_of(report: Report | None, age_s: float) -> Condition:
    """How the instrument is, by a report that came `age_s` ago (None: none has come)."""
    if report is None:
        return Condition(UNHEARD, "the voice is not heard; is its unit running?")
    if not age_s <= SILENT_S:  # nan is no age
        return Condition(UNHEARD, f"the voice has said nothing for {age_s:.0f} s; does it hang?")
    if report.standby or report.scene == "closed":
        return Condition(STANDBY if report.standby else CLOSED)
    if not report.speaker:
        return Condition(SPEAKERLESS, "no speaker plays; is the amplifier's cable in?")
    if report.muted:
        return Condition(MUTED)
    return Condition(QUIET if report.quiet else PLAYING)


def healthz(report: Report | None, age_s: float) -> tuple[int, dict[str, Any]]:
    """The answer of `/healthz`: an HTTP status, and an object for JSON.

    200 while the voice speaks and plays, or rightly does not (closed, in standby, muted); 503 with
    the reason in words otherwise.

    Parameters
    ----------
    report : the newest of the voice, None before the first
    age_s : seconds since it came
    """
    condition = condition_of(report, age_s)
    status = HTTPStatus.SERVICE_UNAVAILABLE if condition.problem else HTTPStatus.OK
    content = {
        "healthy": not condition.problem,
        "state": condition.state,
        "reason": condition.problem,
        "build": report.build if report else None,
        "age_s": round(age_s, 1) if math.isfinite(age_s) else None,
    }
    return status.value, content
