"""OSC that the monitor receives: requests, limits, senders, and invalid packets."""

from __future__ import annotations

import math
import struct

import pytest
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from tests.support.fuzz import damaged, fuzz, fuzzed
from tests.support.name_lookup import resolve_when
from tests.support.timing import Clock, until

from latent_resonance.config.monitor import Osc
from latent_resonance.face_state import FEATURES
from latent_resonance.link.requests import OVERRIDE_TIMEOUT_S, Request, RequestError
from latent_resonance.monitor.osc import (
    MAX_PACKETS_PER_S,
    MAX_REQUESTS_PER_S,
    OscReceiver,
    needs_senders,
)

pytestmark = pytest.mark.realtime

HERE = ("127.0.0.1", 4711)


class Controller:
    """A controller, and the receiver that it sends to."""

    def __init__(self, **settings: object) -> None:
        self.clock, self.requests, self.log = Clock(), list[Request](), list[str]()
        self.receiver = OscReceiver(
            Osc(**settings), self.requests.append, self.clock, self.log.append
        )

    def send(self, address: str, *values: object, sender: tuple = HERE) -> None:
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value)
        self.receiver.datagram_received(message.build().dgram, sender)

    def requested(self) -> list[tuple[str, object]]:
        return [(request.kind, request.value) for request in self.requests]


@pytest.mark.parametrize(
    ("address", "value", "expected"),
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
def test_a_valid_message_becomes_a_request(address: str, value: object, expected: tuple) -> None:
    controller = Controller()
    controller.send(address, value)
    assert controller.requested() == [expected]


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
        ("/latent/override/mouth_open", [0.5, 0.6]),
        ("/latent/overridemouth_open", [0.5]),
    ],
)
def test_an_invalid_message_is_counted_and_ignored(address: str, values: list[object]) -> None:
    controller = Controller()
    controller.send(address, *values)
    assert [request for request in controller.requested() if request != ("override", {})] == []
    assert controller.receiver.ignored["invalid"] == 1


def test_several_features_are_overridden_and_released() -> None:
    controller = Controller()
    for step, (name, value) in enumerate([("mouth_open", 0.4), ("head_yaw", -0.5)]):
        controller.clock.now_s += step
        controller.send(f"/latent/override/{name}", value)
    assert controller.requested()[-1] == (
        "override",
        {"mouth_open": pytest.approx(0.4), "head_yaw": -0.5},
    )
    controller.clock.now_s += 1
    controller.send("/latent/override/head_yaw")
    assert controller.requested()[-1] == ("override", {"mouth_open": pytest.approx(0.4)})
    controller.clock.now_s += 1
    controller.send("/latent/override")
    assert controller.requested()[-1] == ("override", {})


def test_an_override_expires_when_the_controller_stops() -> None:
    controller = Controller()
    controller.send("/latent/override/mouth_open", 0.4)
    controller.clock.now_s += OVERRIDE_TIMEOUT_S
    controller.receiver.send_overrides()
    assert controller.requested()[-1] == ("override", {})


def test_of_many_values_the_newest_is_sent_on_sixty_times_a_second() -> None:
    controller = Controller()
    for step in range(400):  # in a second
        controller.clock.now_s = 100.0 + step / 400
        controller.send("/latent/override/mouth_open", step / 400)
    controller.clock.now_s += 1
    controller.receiver.send_overrides()
    assert 55 <= len(controller.requests) <= 62
    assert controller.requested()[-1][1] == {"mouth_open": pytest.approx(399 / 400)}


def test_packets_over_the_rate_are_counted_and_ignored() -> None:
    controller = Controller()
    for _ in range(3 * MAX_PACKETS_PER_S):
        controller.send("/latent/volume_db", -3.0)
    assert controller.receiver.ignored["rate limit"] == 2 * MAX_PACKETS_PER_S
    controller.clock.now_s += 1.0
    controller.send("/latent/muted", 1)
    assert controller.requested()[-1] == ("muted", True)


def test_requests_in_bundles_are_limited_as_well_and_overrides_are_not() -> None:
    controller, bundle = Controller(), OscBundleBuilder(IMMEDIATELY)
    for name in ["volume_db", *(f"override/{feature}" for feature in FEATURES)] * 4:
        message = OscMessageBuilder(f"/latent/{name}")
        message.add_arg(-0.5 if name == "volume_db" else 0.0)
        bundle.add_content(message.build())
    for _ in range(MAX_REQUESTS_PER_S // 2):
        controller.receiver.datagram_received(bundle.build().dgram, HERE)
    asked = [kind for kind, _ in controller.requested()]
    assert asked.count("volume_db") == MAX_REQUESTS_PER_S
    assert controller.receiver.ignored["rate limit"] == MAX_REQUESTS_PER_S
    (overrides,) = (value for kind, value in controller.requested() if kind == "override")
    assert set(overrides) == set(FEATURES)


def test_only_configured_senders_are_accepted() -> None:
    controller = Controller(senders=("192.168.1.20",))
    controller.send("/latent/muted", 1)
    assert controller.receiver.ignored["unknown sender"] == 1
    controller.send("/latent/muted", 1, sender=("192.168.1.20", 9))
    assert controller.requested() == [("muted", True)]


@pytest.mark.parametrize(
    ("senders", "sender"),
    [
        (("127.0.0.1",), "::ffff:127.0.0.1"),
        (("::ffff:192.168.1.20",), "192.168.1.20"),
        (("fd00::7",), "fd00:0:0:0:0:0:0:7"),
        (("fe80::1",), "fe80::1%eth0"),
    ],
)
def test_senders_are_compared_as_addresses(senders: tuple[str, ...], sender: str) -> None:
    controller = Controller(senders=senders)
    controller.send("/latent/muted", 1, sender=(sender, 9, 0, 0))
    assert controller.requested() == [("muted", True)]


def test_a_sender_with_a_name_is_accepted_once_the_name_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known: list[str] = []
    asked = resolve_when(monkeypatch, known, "192.168.1.20")
    controller = Controller(senders=("desk.local",))
    for tries, found, expected in ((1, False, []), (2, True, [("muted", True)])):
        known[:] = ["desk.local"] if found else []
        controller.clock.now_s += 100.0
        controller.receiver.refresh_senders()
        until(lambda n=tries: len(controller.log) == n, 5, "a line in the log")
        controller.send("/latent/muted", 1, sender=("192.168.1.20", 9))
        assert controller.requested() == expected
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("listen", "senders", "refused"),
    [
        ("0.0.0.0:9001", (), True),
        ("[::]:9001", (), True),
        ("gallery.local:9001", (), True),
        ("0.0.0.0:9001", ("192.168.1.20",), False),
        ("127.0.0.1:9001", (), False),
        ("[::1]:9001", (), False),
        ("localhost:9001", (), False),
        (None, (), False),
    ],
)
def test_listening_to_a_network_requires_the_senders(
    listen: str | None, senders: tuple[str, ...], refused: bool
) -> None:
    assert needs_senders(Osc(listen=listen, senders=senders)) == refused


def test_a_pack_that_the_voice_does_not_have_is_counted_as_invalid() -> None:
    def refuse(request: Request) -> None:
        raise RequestError(f"{request.value!r} is not one of cello")

    counted: list[tuple[str, str]] = []
    receiver = OscReceiver(
        Osc(), refuse, Clock(), print, lambda reason, address: counted.append((reason, address))
    )
    message = OscMessageBuilder("/latent/pack")
    message.add_arg("organ")
    receiver.datagram_received(message.build().dgram, HERE)
    assert counted == [("invalid", "127.0.0.1")]


def nested(depth: int) -> bytes:
    bundle = OscBundleBuilder(IMMEDIATELY)
    bundle.add_content(OscMessageBuilder("/latent/muted").build())
    for _ in range(depth):
        outer = OscBundleBuilder(IMMEDIATELY)
        outer.add_content(bundle.build())
        bundle = outer
    return bundle.build().dgram


MALFORMED = [
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


@pytest.mark.parametrize("data", MALFORMED, ids=range(len(MALFORMED)))
def test_a_malformed_packet_has_no_effect(data: bytes) -> None:
    controller = Controller()
    controller.receiver.datagram_received(data, HERE)
    assert controller.requests == []
    controller.send("/latent/muted", 1)
    assert controller.requested() == [("muted", True)]


def fields() -> st.SearchStrategy[bytes]:
    """OSC packets that are nearly valid: padded strings, numbers, sizes of bundles."""
    text = st.sampled_from(
        [
            b"/latent/muted",
            b"/latent/override/mouth_open",
            b"#bundle",
            b",f",
            b",[",
            b",b",
            b",T",
            b"",
        ]
    ).map(lambda part: part + bytes(4 - len(part) % 4))
    number = st.integers(-(2**31), 2**31 - 1).map(lambda n: struct.pack(">i", n))
    return st.lists(text | number | st.binary(max_size=12), max_size=12).map(b"".join)


@fuzzed
def test_no_packet_raises_or_is_followed_by_silence() -> None:
    controller = Controller()
    valid = OscMessageBuilder("/latent/muted")
    valid.add_arg(1)

    def check(data: bytes) -> None:
        controller.clock.now_s += 1.0  # no rate limit
        controller.receiver.datagram_received(data, HERE)
        requests = len(controller.requests)
        controller.send("/latent/muted", 1)
        assert len(controller.requests) > requests

    fuzz(check, fields() | damaged(nested(2)) | damaged(valid.build().dgram) | st.binary())
