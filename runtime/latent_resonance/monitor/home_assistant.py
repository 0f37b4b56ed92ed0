"""The MQTT payloads: the instrument's state, and its discovery by Home Assistant. Pure.

The discovery message describes the device and everything that can be read from it
(https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload). It is read-only: no
component has a command topic. The state is one JSON object; unknown values, and all values of a
voice that does not report, are null rather than stale.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.health import NO_VOICE, STATES, health_of
from latent_resonance.monitor.metrics import UNDERFLOW

EXPIRE_S = 60  # after which a state is unknown; one is published every ten seconds
DIAGNOSTIC = {"entity_category": "diagnostic"}
MEASUREMENT = {"state_class": "measurement"}
TOTAL = {"state_class": "total_increasing"}
# Home Assistant's description of each key of the state.
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
MAX_REASON = 250  # characters; Home Assistant accepts 255
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


def discovery_payload(
    device: str, name: str, state_topic: str, availability_topic: str, version: str
) -> dict[str, Any]:
    """The discovery message.

    Parameters
    ----------
    device : permanent id
    name : for people
    state_topic, availability_topic : where the instrument publishes them
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


class ThrottledCount:
    """A counter published so rarely that it does not reveal when it increased."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._published, self._due_s = 0, 0.0

    def update(self, count: int, now_s: float) -> int:
        """Value to publish at now_s; a counter that has been reset is published at once."""
        if now_s >= self._due_s or count < self._published:
            self._published, self._due_s = count, now_s + self._every_s
        return self._published


def state_payload(report: Report | None, age_s: float, visits: int) -> dict[str, Any]:
    """The state message.

    Parameters
    ----------
    report : latest report of the voice, None before the first
    age_s : its age
    visits : since the voice's start, throttled
    """
    health = health_of(report, age_s)
    current = None if health.state == NO_VOICE else report
    state = {
        "state": health.state,
        "problem": "ON" if health.problem else "OFF",
        "reason": _reason(health.problem, current),
        "visits": visits if current else None,
    }
    return state | {key: value(current) if current else None for key, value in VALUES.items()}


def _reason(problem: str, report: Report | None) -> str:
    reasons = [problem]
    if report:
        reasons += [report.refused, report.tier_reason if report.tier else ""]
    return "; ".join(filter(None, reasons))[:MAX_REASON] or "all well"
