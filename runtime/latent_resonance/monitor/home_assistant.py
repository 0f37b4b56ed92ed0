"""How an instrument makes itself known to Home Assistant. Pure.

One message describes the device and everything that can be read of it:
https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload. Nothing in it can be
switched: no component has a command topic.
"""

from __future__ import annotations

from typing import Any

from latent_resonance.monitor.health import STATES

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
