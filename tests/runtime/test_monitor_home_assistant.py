"""The MQTT payloads and settings, without a broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.status_reports import report

from latent_resonance.config.settings import SettingsError, load_settings
from latent_resonance.monitor.health import STATES
from latent_resonance.monitor.home_assistant import ThrottledCount, discovery_payload, state_payload
from latent_resonance.monitor.mqtt import VISITS_S


@pytest.mark.parametrize(
    "line",
    [
        "topic: a/+/b",
        "topic: '#'",
        "topic: /a",
        "topic: $SYS/a",
        "topic: ''",
        "host: a..b",
        f"host: {'a' * 64}.b",
        "port: 0",
    ],
)
def test_invalid_mqtt_settings_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"monitor: {{mqtt: {{{line}}}}}")
    with pytest.raises(SettingsError, match=r"monitor\.mqtt\."):
        load_settings(file)


def test_discovery_lists_existing_values_and_no_command() -> None:
    payload = discovery_payload("id", "name", "t/state", "t/availability", "0.2.0")
    state = state_payload(report(), 0.1, 12)
    components = payload["components"]
    used = {
        component["value_template"].removeprefix("{{ value_json.").removesuffix(" }}")
        for component in components.values()
    }
    assert used <= set(state)
    assert {
        "state",
        "visits",
        "images_per_s",
        "celsius",
        "loudness_lufs",
        "underflows",
        "faults",
        "problem",
    } <= used
    assert len({component["unique_id"] for component in components.values()}) == len(components)
    assert components["state"]["options"] == list(STATES)
    assert components["problem"]["platform"] == "binary_sensor"
    assert "command" not in json.dumps(payload)
    assert {"device", "origin", "components", "state_topic", "availability_topic"} == set(payload)


def test_the_time_of_a_visit_is_not_revealed() -> None:
    throttled = ThrottledCount(VISITS_S)
    published = [
        throttled.update(second, float(second)) for second in range(3600)
    ]  # a visit a second
    assert len(set(published)) == 4
    scenes = ("empty", "greet", "play", "farewell")
    payloads = [state_payload(report(scene=scene, doing=scene), 0.1, 3) for scene in scenes]
    assert payloads[0] == payloads[1] == payloads[2] == payloads[3]


def test_a_reset_visit_count_is_published_at_once() -> None:
    throttled = ThrottledCount(VISITS_S)
    assert [throttled.update(n, t) for n, t in ((9, 0.0), (10, 1.0), (0, 2.0), (1, 3.0))] == [
        9,
        9,
        0,
        0,
    ]


def test_the_reason_names_refused_settings_and_reduced_quality() -> None:
    payload = state_payload(
        report(refused="camera.widht: unknown key", tier=2, tier_reason="hot"), 0.1, 0
    )
    assert (payload["problem"], payload["reason"]) == ("OFF", "camera.widht: unknown key; hot")
    assert len(state_payload(report(refused="x" * 999), 0.1, 0)["reason"]) <= 255
