"""Publishing to a real MQTT broker: absent, restarted, hanging."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.mqtt_broker import (
    ID,
    NON_BLOCKING_S,
    Instrument,
    Mosquitto,
    Subscriber,
    instruments,
    until,
)
from tests.support.status_reports import report
from tests.support.timing import Clock

from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.mqtt import STATE_S

pytestmark = pytest.mark.realtime

CHILD_PROGRAM = """
import sys, time
from latent_resonance.monitor.mqtt import Identity, MqttPublisher
from latent_resonance.config.monitor import Mqtt
from tests.support.status_reports import report
settings = Mqtt(host="127.0.0.1", port=int(sys.argv[1]))
publisher = MqttPublisher(settings, print, Identity("killed", "x"))
while True:
    publisher.publish(report(), 0.1)
    time.sleep(0.05)
"""


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as broker:
        yield broker


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    subscriber = Subscriber(mosquitto)
    yield subscriber
    subscriber.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Instrument]]:
    with instruments() as make_one:
        yield make_one


def test_a_late_subscriber_receives_the_retained_state(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    assert make(mosquitto.port).publish_until(subscriber.states)
    late = Subscriber(mosquitto)
    assert until(lambda: len(late.retained) == 3)
    late.close()
    root = f"latent-resonance/{ID.id}"
    config = f"homeassistant/device/{ID.id}/config"
    assert late.retained == {f"{root}/availability", f"{root}/state", config}
    assert late.availability() == ["online"]
    assert late.states() == [
        {
            "state": "playing",
            "problem": "OFF",
            "reason": "all well",
            "visits": 12,
            "images_per_s": 30.0,
            "celsius": 61.5,
            "loudness_lufs": -19.5,
            "underflows": 3,
            "faults": 2,
            "tier": 0,
            "pack": "cello",
            "build": "0.2.0",
        }
    ]


def test_the_state_is_published_every_ten_seconds_and_on_a_change(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    clock = Clock()
    instrument = make(mosquitto.port, clock)
    assert instrument.publish_until(subscriber.states)
    for _ in range(20):  # other numbers, the same state
        clock.now_s += 0.9 * STATE_S / 20
        instrument.publish(report(celsius=clock.now_s, scene="greet"))
    instrument.publish(report(muted=True))
    assert until(lambda: len(subscriber.states()) >= 2)
    clock.now_s += STATE_S
    instrument.publish(report(muted=True, celsius=50.0))
    assert until(lambda: len(subscriber.states()) >= 3)
    published = [(state["state"], state["celsius"]) for state in subscriber.states()]
    assert published == [("playing", 61.5), ("muted", 61.5), ("muted", 50.0)]


@pytest.mark.parametrize(
    ("latest", "age_s", "words"),
    [(None, 0.1, "no report from the voice"), (report(), 9.0, "no report from the voice for 9 s")],
)
def test_a_lost_voice_is_a_problem_with_a_reason_and_no_values(
    make: Callable[..., Instrument],
    mosquitto: Mosquitto,
    subscriber: Subscriber,
    latest: Report | None,
    age_s: float,
    words: str,
) -> None:
    instrument = make(mosquitto.port)
    assert instrument.publish_until(subscriber.states)
    instrument.publish(latest, age_s)
    assert until(lambda: len(subscriber.states()) == 2)
    last = subscriber.states()[-1]
    assert (last["state"], last["problem"]) == ("unheard", "ON")
    assert words in last["reason"]
    assert {last[key] for key in last if key not in ("state", "problem", "reason")} == {None}


def test_a_killed_monitor_leaves_its_last_will(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    command = [sys.executable, "-c", CHILD_PROGRAM, str(mosquitto.port)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as child:
        assert until(subscriber.states)
        child.kill()
    assert until(lambda: subscriber.availability()[-1] == "offline")
    assert subscriber.availability() == ["online", "offline"]


def test_a_monitor_that_stops_publishes_offline(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    instrument = make(mosquitto.port)
    assert instrument.publish_until(subscriber.states)
    instrument.publisher.close()
    assert until(lambda: subscriber.availability() == ["online", "offline"])
    assert instrument.log == []


def test_everything_is_published_again_after_a_broker_restart(
    make: Callable[..., Instrument], mosquitto: Mosquitto
) -> None:
    instrument = make(mosquitto.port, Clock())  # which never advances
    assert instrument.publish_until(lambda: instrument.publisher.online)
    instrument.publish(report())
    mosquitto.stop()
    assert instrument.publish_until(lambda: len(instrument.log) == 2)
    mosquitto.start()
    late = Subscriber(mosquitto)
    assert instrument.publish_until(late.states)
    late.close()
    assert late.availability() == ["online"]
    assert len(late.payloads) == 3
    disconnected, unreachable, connected = instrument.log
    assert "disconnected: " in disconnected
    assert "cannot be reached: " in unreachable
    assert "refused" in unreachable
    assert connected.endswith("connected again")
    assert instrument.longest_s < NON_BLOCKING_S


def test_an_absent_broker_is_logged_once_and_connected_when_it_starts(
    make: Callable[..., Instrument], tmp_path: Path
) -> None:
    broker = Mosquitto(tmp_path)
    instrument = make(broker.port)
    limit_s = time.monotonic() + 2.5  # several failed attempts
    while time.monotonic() < limit_s:
        instrument.publish(report())
        time.sleep(0.05)
    (sentence,) = instrument.log
    assert sentence.startswith(f"MQTT: 127.0.0.1:{broker.port} cannot be reached: ")
    broker.start()
    subscriber = Subscriber(broker)
    assert instrument.publish_until(subscriber.states)
    subscriber.close()
    broker.stop()
    assert instrument.longest_s < NON_BLOCKING_S


def test_a_hanging_broker_does_not_block_and_nothing_is_queued_for_it(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    clock = Clock()
    instrument = make(mosquitto.port, clock)
    assert instrument.publish_until(subscriber.states)
    mosquitto.hang(signal.SIGSTOP)
    for second in range(600):  # 30 MB, several times what the sockets hold
        clock.now_s += STATE_S
        instrument.publish(report(pack="x" * 50_000, underflows=second))
        time.sleep(0.002)
    mosquitto.hang(signal.SIGCONT)
    clock.now_s += STATE_S
    assert instrument.publish_until(
        lambda: subscriber.states()[-1]["underflows"] == -1, report(underflows=-1, muted=True)
    )
    assert 1 < len(subscriber.states()) < 300
    assert instrument.longest_s < NON_BLOCKING_S


def test_two_instruments_with_one_id_say_so_and_stop_taking_turns(
    make: Callable[..., Instrument], mosquitto: Mosquitto
) -> None:
    first, second = make(mosquitto.port), make(mosquitto.port)

    def clash() -> list[str]:
        return [line for one in (first, second) for line in one.log if "client_id" in line]

    assert first.publish_until(clash)
    (sentence, *_) = clash()
    assert ID.id in sentence
    taken_over = len(first.log) + len(second.log)
    time.sleep(3.0)
    assert len(first.log) + len(second.log) <= taken_over + 2


def test_a_server_that_is_not_a_broker_does_not_block(
    make: Callable[..., Instrument],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_server:
        instrument = make(silent_server.getsockname()[1])
        for _ in range(20):
            instrument.publish(report())
            time.sleep(0.01)
        start_s = time.monotonic()
        instrument.publisher.close()
        assert time.monotonic() - start_s < 1.5
    assert instrument.longest_s < NON_BLOCKING_S


def test_switching_discovery_off_revokes_the_discovery_message(
    make: Callable[..., Instrument], mosquitto: Mosquitto
) -> None:
    assert is_discovered(make(mosquitto.port), mosquitto, 1)
    assert not is_discovered(make(mosquitto.port, discovery=False), mosquitto, 2)


def is_discovered(instrument: Instrument, mosquitto: Mosquitto, visits: int) -> bool:
    """Whether a subscriber that starts after the instrument receives its discovery."""
    present = Subscriber(mosquitto)
    assert instrument.publish_until(
        lambda: any(state["visits"] == visits for state in present.states()),  # after discovery
        report(visits=visits),
    )
    instrument.publisher.close()
    present.close()
    late = Subscriber(mosquitto)
    found = until(lambda: any(t.startswith("homeassistant/") for t in late.retained.copy()), 1.0)
    late.close()
    return found


def test_messages_to_the_instrument_are_ignored(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    instrument = make(mosquitto.port)
    assert instrument.publish_until(subscriber.states)
    for leaf in ("set", "command", "muted/set"):
        subscriber.client.publish(f"latent-resonance/{ID.id}/{leaf}", '{"muted": true}')
    instrument.publish(report(standby=True))
    assert until(lambda: len(subscriber.states()) == 2)
    assert subscriber.states()[-1]["state"] == "standby"
