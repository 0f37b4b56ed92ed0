"""OSC: what is told, what may be asked, and what strangers send."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket
from tests.support.status_reports import PLAYING

from latent_resonance.config.monitor import Osc
from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance.link.requests import HELD_S, Request
from latent_resonance.link.telemetry import Energies
from latent_resonance.monitor.osc import MOST_PER_S, OscIn, OscOut

HERE = ("127.0.0.1", 4711)
ENERGIES = Energies(1, 1, "play", True, -21.5, 0.0625, neutral_features())


class Clock:
    """Seconds, as a test wants them."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def light() -> Iterator[socket.socket]:
    """Somebody who is told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(2.0)
        yield listening


def out(light: socket.socket, clock: Clock, *more: str) -> OscOut:
    address = "{}:{}".format(*light.getsockname())
    return OscOut(Osc(send_to=(address, *more)), clock, print)


def told(light: socket.socket) -> dict[str, list[object]]:
    packet = OscPacket(light.recv(65_536))
    return {timed.message.address: timed.message.params for timed in packet.messages}


def test_energies_are_told_by_their_names(light: socket.socket) -> None:
    out(light, Clock()).take(ENERGIES)
    heard = told(light)
    assert {f"/latent/{name}" for name in FEATURES} <= set(heard)
    assert heard["/latent/eye_open"] == [1.0]
    assert heard["/latent/features"] == neutral_features().tolist()
    assert heard["/latent/scene"] == ["play"]
    assert heard["/latent/present"] == [1]
    assert heard["/latent/level_db"] == [-21.5]
    assert heard["/latent/latency_s"] == [0.0625]


def test_a_latency_that_is_not_known_is_told_as_minus_one(light: socket.socket) -> None:
    out(light, Clock()).take(replace(ENERGIES, latency_s=math.nan))
    assert told(light)["/latent/latency_s"] == [-1.0]


def test_a_report_and_the_link_are_told(light: socket.socket) -> None:
    sender = out(light, Clock())
    sender.take(replace(PLAYING, muted=True, pack="voices"))
    heard = told(light)
    assert (heard["/latent/pack"], heard["/latent/muted"]) == (["voices"], [1])
    sender.linked(False)
    assert told(light) == {"/latent/playing": [False]}


def test_no_more_is_told_in_a_second_than_was_set(light: socket.socket) -> None:
    clock = Clock()
    sender = OscOut(
        Osc(send_to=("{}:{}".format(*light.getsockname()),), rate_hz=10.0), clock, print
    )
    for step in range(300):  # three seconds
        clock.now_s = 100.0 + step / 100
        sender.take(ENERGIES)
    light.settimeout(0.1)
    heard = 0
    with suppress(TimeoutError):
        while told(light):
            heard += 1
    assert 28 <= heard <= 32


def test_who_is_not_there_keeps_nobody_from_being_told(light: socket.socket) -> None:
    sender = out(light, Clock(), "127.0.0.1:9", "255.255.255.255:9")
    for _ in range(3):
        sender.linked(True)
        assert told(light) == {"/latent/playing": [True]}


def test_an_address_that_cannot_be_found_is_said() -> None:
    said: list[str] = []
    OscOut(Osc(send_to=("nobody.invalid:9000",)), Clock(), said.append)
    assert "nobody.invalid:9000 cannot be found" in said[0]


class Stage:
    """A controller's other end."""

    def __init__(self, **settings: object) -> None:
        self.clock, self.asked = Clock(), list[Request]()
        self.hearing = OscIn(Osc(**settings), self.asked.append, self.clock)

    def hear(self, address: str, *values: object, sender: tuple = HERE) -> None:
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value)
        self.hearing.datagram_received(message.build().dgram, sender)

    def signals(self) -> list[tuple[str, object]]:
        return [(request.kind, request.value) for request in self.asked]


@pytest.mark.parametrize(
    ("address", "value", "wish"),
    [
        ("/latent/muted", 1, ("muted", True)),
        ("/latent/muted", 0.0, ("muted", False)),
        ("/latent/standby", True, ("standby", True)),
        ("/latent/quiet", 0, ("quiet", False)),
        ("/latent/correcting", 0, ("correcting", False)),
        ("/latent/volume_db", -12.0, ("volume_db", -12.0)),
        ("/latent/pack", "voices", ("pack", "voices")),
        ("/latent/tone", 1.5, ("tone", 1.5)),
    ],
)
def test_what_may_be_asked_is_asked(address: str, value: object, wish: tuple) -> None:
    stage = Stage()
    stage.hear(address, value)
    assert stage.signals() == [wish]


@pytest.mark.parametrize(
    ("address", "values"),
    [
        ("/latent/volume_db", [6.0]),
        ("/latent/volume_db", [math.nan]),
        ("/latent/volume_db", []),
        ("/latent/volume_db", [-1.0, -2.0]),
        ("/latent/muted", [2]),
        ("/latent/muted", ["yes"]),
        ("/latent/pack", ["../../etc"]),
        ("/latent/z", [1.0]),
        ("/latent/pairs", [1.0]),
        ("/latent/reboot", [1]),
        ("/", [1]),
        ("/latent/override/nose", [0.5]),
        ("/latent/override/nose", []),
        ("/latent/override/mouth_open", [math.inf]),
        ("/latent/override/mouth_open", [7.0]),
        ("/latent/override/mouth_open", ["wide"]),
    ],
)
def test_what_breaks_a_rule_is_counted_and_ignored(address: str, values: list[object]) -> None:
    stage = Stage()
    stage.hear(address, *values)
    assert [wish for wish in stage.signals() if wish != ("override", {})] == []
    assert stage.hearing.ignored["against the rules"] == 1


def test_a_dancers_controller_plays_several_features_and_gives_them_back() -> None:
    stage = Stage()
    for step, (name, value) in enumerate([("mouth_open", 0.4), ("head_yaw", -0.5)]):
        stage.clock.now_s += step
        stage.hear(f"/latent/override/{name}", value)
    assert stage.signals()[-1] == (
        "override",
        {"mouth_open": pytest.approx(0.4), "head_yaw": -0.5},
    )
    stage.clock.now_s += 1
    stage.hear("/latent/override/head_yaw")
    assert stage.signals()[-1] == ("override", {"mouth_open": pytest.approx(0.4)})
    stage.clock.now_s += 1
    stage.hear("/latent/override")
    assert stage.signals()[-1] == ("override", {})


def test_a_controller_that_falls_silent_lets_go() -> None:
    stage = Stage()
    stage.hear("/latent/override/mouth_open", 0.4)
    stage.clock.now_s += HELD_S
    stage.hearing.pass_on()
    assert stage.signals()[-1] == ("override", {})


def test_of_many_values_the_newest_is_handed_on_sixty_times_a_second() -> None:
    stage = Stage()
    for step in range(400):  # in a second
        stage.clock.now_s = 100.0 + step / 400
        stage.hear("/latent/override/mouth_open", step / 400)
    stage.clock.now_s += 1
    stage.hearing.pass_on()
    assert 55 <= len(stage.asked) <= 62
    assert stage.signals()[-1][1] == {"mouth_open": pytest.approx(399 / 400)}


def test_a_flood_is_counted_and_ignored() -> None:
    stage = Stage()
    for _ in range(3 * MOST_PER_S):
        stage.hear("/latent/volume_db", -3.0)
    assert stage.hearing.ignored["flood"] == 2 * MOST_PER_S
    stage.clock.now_s += 1.0
    stage.hear("/latent/muted", 1)
    assert stage.signals()[-1] == ("muted", True)


def test_only_those_that_are_named_are_heard() -> None:
    stage = Stage(senders=("192.168.1.20",))
    stage.hear("/latent/muted", 1)
    assert stage.hearing.ignored["stranger"] == 1
    stage.hear("/latent/muted", 1, sender=("192.168.1.20", 9))
    assert stage.signals() == [("muted", True)]


def nested(depth: int) -> bytes:
    bundle = OscBundleBuilder(IMMEDIATELY)
    bundle.add_content(OscMessageBuilder("/latent/muted").build())
    for _ in range(depth):
        outer = OscBundleBuilder(IMMEDIATELY)
        outer.add_content(bundle.build())
        bundle = outer
    return bundle.build().dgram


HOSTILE = [
    b"",
    b"/",
    b"/latent/muted",
    b"/latent/muted\0\0\0,i\0\0",
    b"/latent/muted\0\0\0,b\0\0" + struct.pack(">i", 2**31 - 1),
    b"/latent/muted\0\0\0,b\0\0" + struct.pack(">i", -5),
    b"/latent/muted\0\0\0," + b"[" * 2000 + b"\0",
    b"/latent/muted\0\0\0,s\0\0" + b"\xff" * 64,
    b"#bundle\0" + b"\xff" * 8 + struct.pack(">i", -4),
    b"#bundle\0" + bytes(8) + struct.pack(">i", 2**31 - 1) + b"/a",
    nested(3),
    nested(100),
    b"/latent/volume_db\0\0\0,f\0\0" + struct.pack(">f", math.nan),
    b"A" * 60_000,
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_packet_asks_nothing_and_ends_nothing(data: bytes) -> None:
    stage = Stage()
    stage.hearing.datagram_received(data, HERE)
    assert stage.asked == []
    stage.hear("/latent/muted", 1)
    assert stage.signals() == [("muted", True)]


@given(st.binary(max_size=400), st.sampled_from([b"", b"/latent/muted\0\0\0,", b"#bundle\0"]))
def test_whatever_comes_nothing_is_raised(data: bytes, head: bytes) -> None:
    Stage().hearing.datagram_received(head + data, HERE)
