"""The MQTT payloads: an instrument's state, and how Home Assistant discovers it. Pure.

The discovery message describes the device and everything that can be read from it
(https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload). It is read-only: no
component has a command topic. The state is one JSON object; unknown values, and all values of a
voice that has stopped reporting, are null rather than stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.health import STATES, UNHEARD, condition_of
from latent_resonance.monitor.metrics import UNDERFLOW

EXPIRE_S = 60  # without a state for so long, nothing is known; one comes every ten
DIAGNOSTIC = {"entity_category": "diagnostic"}
MEASUREMENT = {"state_class": "measurement"}
TOTAL = {"state_class": "total_increasing"}
# By the key that each has in the state: what Home Assistant calls and shows it by.
COMPONENTS: dict[str, dict[str, Any]] = {
    "state": {"name": "State", "device_class": "enum", "options": list(STATES)},
    "problem": {"platform": "binary_sensor", "name": "Problem", "device_class": "problem"},
    "reason": {"name": "Reason", **DIAGNOSTIC},
    "visits": {"name": "Visits", "icon": "mdi:account-group", **TOTAL},
    "images_per_s": {"name": "Images", "unit_of_measurement": "images/s", **MEASUREMENT},
    "celsius": {
        "name": "Temperature",
        "device_class": "temperature",
        "unit_of_measurement": "°C",
        **MEASUREMENT,
    },
    "loudness_lufs": {"name": "Loudness", "unit_of_measurement": "LUFS", **MEASUREMENT},
    "underflows": {"name": "Underflows", **TOTAL, **DIAGNOSTIC},
    "faults": {"name": "Faults", **TOTAL, **DIAGNOSTIC},
}
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


def discovery(
    device: str, name: str, state_topic: str, availability_topic: str, version: str
) -> dict[str, Any]:
    """The message.

    Parameters
    ----------
    device : its id, the same for ever
    name : for people
    state_topic, availability_topic : where it tells how it is
    version : of the program
    """
    return {
        "device": {
            "identifiers": [device],
            "name": name,
            "manufacturer": "Latent Resonance",
            "model": "Instrument",
            "sw_version": version,
        },
        "origin": {"name": "latent-resonance", "sw_version": version},
        "state_topic": state_topic,
        "availability_topic": availability_topic,
        "components": {key: _component(device, key) for key in COMPONENTS},
    }


def _component(device: str, key: str) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "unique_id": f"{device}-{key}",
        "value_template": f"{{{{ value_json.{key} }}}}",
        "expire_after": EXPIRE_S,
        **COMPONENTS[key],
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
