"""What a broker is told of an instrument, by a real one: absent, restarted, hanging, distrusted."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.mqtt_broker import AT_ONCE_S, ID, Clock, Instrument, Mosquitto, Subscriber, until
from tests.support.status_reports import report

from latent_resonance.config.monitor import Mqtt
from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.mqtt import STATE_S

SAID_BY_A_CHILD = """
import sys, time
from latent_resonance.monitor.mqtt import Broker, Identity
from latent_resonance.config.monitor import Mqtt
from tests.support.status_reports import report
broker = Broker(Mqtt(host="127.0.0.1", port=int(sys.argv[1])), print, Identity("killed", "x"))
while True:
    broker.tell(report(), 0.1)
    time.sleep(0.05)
"""


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(tmp_path)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def subscriber(mosquitto: Mosquitto) -> Iterator[Subscriber]:
    subscriber = Subscriber(mosquitto)
    yield subscriber
    subscriber.close()


@pytest.fixture
def make() -> Iterator[Callable[..., Instrument]]:
    made: list[Instrument] = []

    def make_one(
        port: int, clock: Callable[[], float] = time.monotonic, **changes: Any
    ) -> Instrument:
        made.append(Instrument(Mqtt(host="127.0.0.1", port=port, **changes), clock))
        return made[-1]

    yield make_one
    for instrument in made:
        instrument.broker.close()


def test_whoever_comes_later_knows_at_once_how_it_is(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    assert make(mosquitto.port).tells_until(subscriber.states)
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


def test_it_is_told_every_ten_seconds_and_when_the_state_changes(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    clock = Clock()
    instrument = make(mosquitto.port, clock)
    assert instrument.tells_until(subscriber.states)
    for _ in range(20):  # other numbers, the same state
        clock.now_s += 0.9 * STATE_S / 20
        instrument.tells(report(celsius=clock.now_s, scene="greet"))
    instrument.tells(report(muted=True))
    assert until(lambda: len(subscriber.states()) >= 2)
    clock.now_s += STATE_S
    instrument.tells(report(muted=True, celsius=50.0))
    assert until(lambda: len(subscriber.states()) >= 3)
    told = [(state["state"], state["celsius"]) for state in subscriber.states()]
    assert told == [("playing", 61.5), ("muted", 61.5), ("muted", 50.0)]


@pytest.mark.parametrize(
    ("heard", "age_s", "words"), [(None, 0.1, "not heard"), (report(), 9.0, "said nothing for 9 s")]
)
def test_a_voice_that_is_lost_is_a_problem_with_a_reason_and_without_numbers(
    make: Callable[..., Instrument],
    mosquitto: Mosquitto,
    subscriber: Subscriber,
    heard: Report | None,
    age_s: float,
    words: str,
) -> None:
    instrument = make(mosquitto.port)
    assert instrument.tells_until(subscriber.states)
    instrument.tells(heard, age_s)
    assert until(lambda: len(subscriber.states()) == 2)
    last = subscriber.states()[-1]
    assert (last["state"], last["problem"]) == ("unheard", "ON")
    assert words in last["reason"]
    assert {last[key] for key in last if key not in ("state", "problem", "reason")} == {None}


def test_a_monitor_that_is_killed_leaves_its_last_will(
    mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    command = [sys.executable, "-c", SAID_BY_A_CHILD, str(mosquitto.port)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as child:
        assert until(subscriber.states)
        child.kill()
    assert until(lambda: subscriber.availability()[-1] == "offline")
    assert subscriber.availability() == ["online", "offline"]


def test_a_monitor_that_leaves_says_so(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    instrument = make(mosquitto.port)
    assert instrument.tells_until(subscriber.states)
    instrument.broker.close()
    assert until(lambda: subscriber.availability() == ["online", "offline"])
    assert instrument.said == []


def test_a_broker_that_was_restarted_is_told_all_again(
    make: Callable[..., Instrument], mosquitto: Mosquitto
) -> None:
    instrument = make(mosquitto.port, Clock())  # on which ten seconds never pass
    assert instrument.tells_until(lambda: instrument.broker.online)
    instrument.tells(report())
    mosquitto.stop()
    assert instrument.tells_until(lambda: len(instrument.said) == 2)
    mosquitto.start()
    late = Subscriber(mosquitto)
    assert instrument.tells_until(late.states)
    late.close()
    assert late.availability() == ["online"]
    assert len(late.heard) == 3
    lost, absent, found = instrument.said
    assert "is lost: " in lost
    assert "cannot be reached: " in absent
    assert "refused" in absent
    assert found.endswith("is told again")
    assert instrument.longest_s < AT_ONCE_S


def test_a_broker_that_is_absent_is_told_of_once_and_found_when_it_comes(
    make: Callable[..., Instrument], tmp_path: Path
) -> None:
    broker = Mosquitto(tmp_path)
    instrument = make(broker.port)
    limit_s = time.monotonic() + 2.5  # some calls in vain
    while time.monotonic() < limit_s:
        instrument.tells(report())
        time.sleep(0.05)
    (sentence,) = instrument.said
    assert sentence.startswith(f"MQTT: 127.0.0.1:{broker.port} cannot be reached: ")
    broker.start()
    subscriber = Subscriber(broker)
    assert instrument.tells_until(subscriber.states)
    subscriber.close()
    broker.stop()
    assert instrument.longest_s < AT_ONCE_S


def test_a_broker_that_hangs_costs_no_time_and_nothing_is_kept_for_it(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    clock = Clock()
    instrument = make(mosquitto.port, clock)
    assert instrument.tells_until(subscriber.states)
    mosquitto.hang(signal.SIGSTOP)
    for second in range(600):  # 30 MB, several times what the sockets hold
        clock.now_s += STATE_S
        instrument.tells(report(pack="x" * 50_000, underflows=second))
        time.sleep(0.002)
    mosquitto.hang(signal.SIGCONT)
    clock.now_s += STATE_S
    assert instrument.tells_until(
        lambda: subscriber.states()[-1]["underflows"] == -1, report(underflows=-1, muted=True)
    )
    assert 1 < len(subscriber.states()) < 300
    assert instrument.longest_s < AT_ONCE_S


def test_what_accepts_calls_and_is_no_broker_is_left_alone(
    make: Callable[..., Instrument],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        instrument = make(mute.getsockname()[1])
        for _ in range(20):
            instrument.tells(report())
            time.sleep(0.01)
        began_s = time.monotonic()
        instrument.broker.close()
        assert time.monotonic() - began_s < 1.5
    assert instrument.longest_s < AT_ONCE_S


def test_switching_discovery_off_takes_back_what_was_made_known(
    make: Callable[..., Instrument], mosquitto: Mosquitto
) -> None:
    assert known_after(make(mosquitto.port), mosquitto, 1)
    assert not known_after(make(mosquitto.port, discovery=False), mosquitto, 2)


def known_after(instrument: Instrument, mosquitto: Mosquitto, visits: int) -> bool:
    """Whether Home Assistant, started after the instrument was, finds it."""
    present = Subscriber(mosquitto)
    assert instrument.tells_until(
        lambda: any(state["visits"] == visits for state in present.states()),  # after discovery
        report(visits=visits),
    )
    instrument.broker.close()
    present.close()
    late = Subscriber(mosquitto)
    found = until(lambda: any(t.startswith("homeassistant/") for t in late.retained.copy()), 1.0)
    late.close()
    return found


def test_it_asks_for_nothing_and_hears_nothing(
    make: Callable[..., Instrument], mosquitto: Mosquitto, subscriber: Subscriber
) -> None:
    instrument = make(mosquitto.port)
    assert instrument.tells_until(subscriber.states)
    for leaf in ("set", "command", "muted/set"):
        subscriber.client.publish(f"latent-resonance/{ID.id}/{leaf}", '{"muted": true}')
    instrument.tells(report(standby=True))
    assert until(lambda: len(subscriber.states()) == 2)
    assert subscriber.states()[-1]["state"] == "standby"
