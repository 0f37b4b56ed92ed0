"""What is told of an instrument by MQTT, to whom, and what is not: the words, without a broker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.support.status_reports import report

from latent_resonance.config.settings import SettingsError, load_settings
from latent_resonance.monitor.health import STATES
from latent_resonance.monitor.home_assistant import Seldom, discovery, state_of
from latent_resonance.monitor.mqtt import VISITS_S, identity_of


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
def test_settings_that_no_broker_understands_are_refused(tmp_path: Path, line: str) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(f"monitor: {{mqtt: {{{line}}}}}")
    with pytest.raises(SettingsError, match=r"monitor\.mqtt\."):
        load_settings(file)


def test_an_instrument_has_one_id_for_ever_and_keeps_its_machines_to_itself(tmp_path: Path) -> None:
    ids = []
    for name, machine in (("a", "0" * 32), ("b", "1" * 32), ("again", "0" * 32)):
        (tmp_path / name).write_text(f"{machine}\n")
        ids.append(identity_of(tmp_path / name).id)
        assert machine[:8] not in ids[-1].removeprefix("latent-")
    assert ids[0] == ids[2] != ids[1]
    assert len(ids[0]) <= 23  # what every broker takes
    assert identity_of(tmp_path / "absent").id == identity_of(tmp_path / "absent").id


def test_home_assistant_finds_every_value_that_it_is_promised_and_nothing_to_switch() -> None:
    about = discovery("id", "name", "t/state", "t/availability", "0.2.0")
    state = state_of(report(), 0.1, 12)
    components = about["components"]
    asked = {
        component["value_template"].removeprefix("{{ value_json.").removesuffix(" }}")
        for component in components.values()
    }
    assert asked <= set(state)
    assert {
        "state",
        "visits",
        "images_per_s",
        "celsius",
        "loudness_lufs",
        "underflows",
        "faults",
        "problem",
    } <= asked
    assert len({component["unique_id"] for component in components.values()}) == len(components)
    assert components["state"]["options"] == list(STATES)
    assert components["problem"]["platform"] == "binary_sensor"
    assert "command" not in json.dumps(about)
    assert {"device", "origin", "components", "state_topic", "availability_topic"} == set(about)


def test_no_time_of_a_visit_is_said() -> None:
    seldom = Seldom(VISITS_S)
    shown = [seldom.step(second, float(second)) for second in range(3600)]  # a visit a second
    assert len(set(shown)) == 4
    scenes = ("empty", "greet", "play", "farewell")
    told = [state_of(report(scene=scene, doing=scene), 0.1, 3) for scene in scenes]
    assert told[0] == told[1] == told[2] == told[3]


def test_visits_that_began_anew_are_shown_at_once() -> None:
    seldom = Seldom(VISITS_S)
    assert [seldom.step(n, t) for n, t in ((9, 0.0), (10, 1.0), (0, 2.0), (1, 3.0))] == [9, 9, 0, 0]


def test_the_reason_names_refused_settings_and_what_is_given_up() -> None:
    told = state_of(report(refused="camera.widht: unknown key", tier=2, tier_reason="hot"), 0.1, 0)
    assert (told["problem"], told["reason"]) == ("OFF", "camera.widht: unknown key; hot")
    assert len(state_of(report(refused="x" * 999), 0.1, 0)["reason"]) <= 255
