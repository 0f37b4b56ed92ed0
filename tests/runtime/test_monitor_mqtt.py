"""What a broker is told of an instrument, by a real one: absent, restarted, hanging, distrusted."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from brokers import Mosquitto, Subscriber, free_port, until
from reports import report

from latent_resonance.link.telemetry import Report
from latent_resonance.monitor.mqtt import STATE_S, Broker, Identity
from latent_resonance.monitor.sections import Mqtt
from latent_resonance.settings import SettingsError

ID = Identity("latent-0123456789abcdef", "Latent Resonance here")
AT_ONCE_S = 0.5  # on a busy machine; a broker that is waited for takes seconds
SAID_BY_A_CHILD = """
import sys, time
from latent_resonance.monitor.mqtt import Broker, Identity
from latent_resonance.monitor.sections import Mqtt
from reports import report
broker = Broker(Mqtt(host="127.0.0.1", port=int(sys.argv[1])), print, Identity("killed", "x"))
while True:
    broker.tell(report(), 0.1)
    time.sleep(0.05)
"""


class Instrument:
    """One that is told at a broker; its reports come when the test says so."""

    def __init__(self, settings: Mqtt, clock: Callable[[], float] = time.monotonic) -> None:
        self.said: list[str] = []
        began_s = time.monotonic()
        self.broker = Broker(settings, self.said.append, ID, (1, 1), clock)
        self.longest_s = time.monotonic() - began_s

    def tells(self, heard: Report | None = None, age_s: float = 0.1) -> None:
        began_s = time.monotonic()
        self.broker.tell(heard, age_s)
        self.longest_s = max(self.longest_s, time.monotonic() - began_s)

    def tells_until(self, holds: Callable[[], object], heard: Report | None = None) -> bool:
        """Reports, as a monitor does, until it holds."""

        def told() -> bool:
            self.tells(heard or report())
            return bool(holds())

        return until(told)


class Clock:
    """Stands where time passes."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


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
    with subprocess.Popen(command, cwd=Path(__file__).parent) as child:
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


def test_a_wrong_password_is_said_with_its_remedy(
    make: Callable[..., Instrument], tmp_path: Path
) -> None:
    broker = with_password(tmp_path, "right")
    (tmp_path / "password").write_text("wrong\n")
    instrument = make(broker.port, username="u", password_file=str(tmp_path / "password"))
    assert instrument.tells_until(lambda: instrument.said)
    time.sleep(1.5)  # it calls again, and says no more
    broker.stop()
    first = instrument.said[0]
    assert "refuses: Not authorized; see monitor.mqtt.username and password_file" in first
    assert sum("refuses" in sentence for sentence in instrument.said) == 1


def test_the_right_password_is_the_first_line_of_its_file(
    make: Callable[..., Instrument], tmp_path: Path
) -> None:
    broker = with_password(tmp_path, "right")
    (tmp_path / "password").write_text("right\n# for the gallery\n")
    instrument = make(broker.port, username="u", password_file=str(tmp_path / "password"))
    assert instrument.tells_until(lambda: instrument.broker.online)
    assert instrument.said == []
    broker.stop()


def with_password(folder: Path, password: str) -> Mosquitto:
    """A broker that knows one user, u."""
    broker = Mosquitto(folder, "allow_anonymous false", f"password_file {folder / 'users'}")
    subprocess.run(
        ["mosquitto_passwd", "-b", "-c", str(folder / "users"), "u", password], check=True
    )
    broker.start()
    return broker


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A house's own certificate, for 127.0.0.1, and another that nobody knows."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("house", "stranger"):
        command = [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
            "-subj",
            f"/CN={name}",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(folder / f"{name}.key"),
            "-out",
            str(folder / f"{name}.pem"),
        ]
        subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def encrypted(tmp_path: Path, certificates: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(
        tmp_path,
        "allow_anonymous true",
        f"certfile {certificates / 'house.pem'}",
        f"keyfile {certificates / 'house.key'}",
    )
    broker.start()
    yield broker
    broker.stop()


def test_an_encrypted_broker_that_proves_who_it_is_is_told(
    make: Callable[..., Instrument], encrypted: Mosquitto, certificates: Path
) -> None:
    instrument = make(encrypted.port, tls=True, ca_file=str(certificates / "house.pem"))
    assert instrument.tells_until(lambda: instrument.broker.online)
    assert instrument.said == []


@pytest.mark.parametrize("known", ["stranger.pem", None])
def test_an_encrypted_broker_that_does_not_is_told_nothing(
    make: Callable[..., Instrument], encrypted: Mosquitto, certificates: Path, known: str | None
) -> None:
    ca_file = known and str(certificates / known)
    instrument = make(encrypted.port, tls=True, ca_file=ca_file)
    assert instrument.tells_until(lambda: instrument.said)
    assert "cannot be reached: " in instrument.said[0]
    assert "certificate verify failed" in instrument.said[0]
    assert not instrument.broker.online


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"password_file": "/nowhere/password"}, "password_file: /nowhere/password cannot be read"),
        ({"tls": True, "ca_file": "/nowhere/ca"}, "ca_file: /nowhere/ca holds no certificates"),
        ({"tls": True, "ca_file": __file__}, "holds no certificates (PEM)"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_before_anything_starts(
    changes: dict[str, Any], sentence: str
) -> None:
    before = threading.active_count()
    with pytest.raises(SettingsError, match=r"monitor\.mqtt\.") as caught:
        Broker(Mqtt(host="127.0.0.1", port=free_port(), **changes), print, ID)
    assert sentence in str(caught.value)
    assert threading.active_count() == before


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
