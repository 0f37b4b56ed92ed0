"""Whether the instrument works, as one word and one sentence: for `/healthz` and MQTT. Pure.

In: the voice's latest report and its age. Out: the state of the instrument. It never says whether
a visitor is present.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from latent_resonance.link.telemetry import Report

REPORT_TIMEOUT_S = 5.0  # a voice reports twice a second
NO_VOICE, STANDBY, CLOSED, NO_SPEAKER, MUTED, QUIET, PLAYING = STATES = (
    "unheard",
    "standby",
    "closed",
    "speakerless",
    "muted",
    "quiet",
    "playing",
)


@dataclass(frozen=True)
class Health:
    """The state, one of STATES, and the problem in words (empty if there is none)."""

    state: str
    problem: str = ""


def health_of(report: Report | None, age_s: float) -> Health:
    """Health according to a report received `age_s` ago (None: none received)."""
    if report is None:
        return Health(NO_VOICE, "no report from the voice; is its unit running?")
    if not age_s <= REPORT_TIMEOUT_S:  # also true for NaN
        return Health(NO_VOICE, f"no report from the voice for {age_s:.0f} s; has it hung?")
    if report.standby or report.scene == "closed":
        return Health(STANDBY if report.standby else CLOSED)
    if not report.speaker:
        return Health(NO_SPEAKER, "no speaker is playing; is the amplifier connected?")
    if report.muted:
        return Health(MUTED)
    return Health(QUIET if report.quiet else PLAYING)


def healthz(report: Report | None, age_s: float) -> tuple[int, dict[str, Any]]:
    """HTTP status and JSON object of `/healthz`.

    200 while the voice plays or is silent on purpose (closed, standby, muted); otherwise 503 with
    the reason.

    Parameters
    ----------
    report : latest report of the voice, None before the first
    age_s : its age
    """
    health = health_of(report, age_s)
    status = HTTPStatus.SERVICE_UNAVAILABLE if health.problem else HTTPStatus.OK
    content = {
        "healthy": not health.problem,
        "state": health.state,
        "reason": health.problem,
        "build": report.build if report else None,
        "age_s": round(age_s, 1) if math.isfinite(age_s) else None,
    }
    return status.value, content
