"""OSC that the monitor sends: names, values, rate, and targets that are not there."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from pythonosc.osc_packet import OscPacket
from tests.support.name_lookup import resolve_when
from tests.support.status_reports import PLAYING
from tests.support.timing import Clock, until

from latent_resonance.config.monitor import Osc
from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance.link.telemetry import Energies
from latent_resonance.monitor.osc import OscSender

pytestmark = pytest.mark.realtime

ENERGIES = Energies(1, 1, "play", True, -21.5, 0.0625, neutral_features())


@pytest.fixture
def target() -> Iterator[socket.socket]:
    """A socket that receives OSC."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(2.0)
        yield sock


def make_sender(target: socket.socket, clock: Clock, *more: str) -> OscSender:
    address = "{}:{}".format(*target.getsockname())
    return OscSender(Osc(send_to=(address, *more)), clock, print)


def received(target: socket.socket) -> dict[str, list[object]]:
    packet = OscPacket(target.recv(65_536))
    return {timed.message.address: timed.message.params for timed in packet.messages}


def test_energies_are_sent_under_their_names(target: socket.socket) -> None:
    make_sender(target, Clock()).on_message(ENERGIES)
    messages = received(target)
    assert {f"/latent/{name}" for name in FEATURES} <= set(messages)
    assert messages["/latent/eye_open"] == [1.0]
    assert messages["/latent/features"] == neutral_features().tolist()
    assert messages["/latent/scene"] == ["play"]
    assert messages["/latent/present"] == [1]
    assert messages["/latent/level_db"] == [-21.5]
    assert messages["/latent/latency_s"] == [0.0625]


def test_an_unknown_latency_is_sent_as_minus_one(target: socket.socket) -> None:
    make_sender(target, Clock()).on_message(replace(ENERGIES, latency_s=math.nan))
    assert received(target)["/latent/latency_s"] == [-1.0]


def test_reports_and_the_link_are_sent(target: socket.socket) -> None:
    sender = make_sender(target, Clock())
    sender.on_message(replace(PLAYING, muted=True, pack="voices"))
    messages = received(target)
    assert (messages["/latent/pack"], messages["/latent/muted"]) == (["voices"], [1])
    sender.on_link(False)
    assert received(target) == {"/latent/playing": [False]}


def test_the_rate_is_limited_to_the_setting(target: socket.socket) -> None:
    clock = Clock()
    sender = OscSender(
        Osc(send_to=("{}:{}".format(*target.getsockname()),), rate_hz=10.0), clock, print
    )
    for step in range(300):  # three seconds
        clock.now_s = 100.0 + step / 100
        sender.on_message(ENERGIES)
    target.settimeout(0.1)
    count = 0
    with suppress(TimeoutError):
        while received(target):
            count += 1
    assert 28 <= count <= 32


def test_an_unreachable_target_does_not_affect_the_others(target: socket.socket) -> None:
    sender = make_sender(target, Clock(), "127.0.0.1:9", "255.255.255.255:9")
    for _ in range(3):
        sender.on_link(True)
        assert received(target) == {"/latent/playing": [True]}


def test_a_name_that_cannot_be_found_at_the_start_is_looked_up_again(
    target: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, log, clock = [], [], Clock()
    resolve_when(monkeypatch, known, "127.0.0.1")
    port = target.getsockname()[1]
    sender = OscSender(Osc(send_to=(f"lights.local:{port}",)), clock, log.append)
    sender.on_link(True)
    until(lambda: log, 5, "a line in the log")
    assert "lights.local cannot be resolved" in log[0]
    known.append("lights.local")
    clock.now_s += 1.0
    sender.on_link(True)
    until(lambda: len(log) == 2, 5, "a second line")
    assert "lights.local has been found" in log[1]
    sender.on_link(True)
    assert received(target) == {"/latent/playing": [True]}


def test_looking_up_a_name_takes_no_time_of_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ready = threading.Event()
    real = socket.getaddrinfo

    def slow(host: str, *args: object, flags: int = 0, **kwargs: object) -> object:
        if not flags & socket.AI_NUMERICHOST:
            ready.wait(5.0)
        return real(host, *args, flags=flags | socket.AI_NUMERICHOST, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    start_s = time.monotonic()
    sender = OscSender(Osc(send_to=("lights.local:9000",)), Clock(), print)
    for _ in range(10):
        sender.on_link(True)
    assert time.monotonic() - start_s < 1.0
    ready.set()
