"""What crosses between voice and monitor: messages that say what they said, and nothing else."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.status_reports import PLAYING

from latent_resonance.face_state import FEATURE_RANGES, FEATURES, neutral_features
from latent_resonance.link import requests, telemetry
from latent_resonance.link.requests import Pair, Request, RequestError, request
from latent_resonance.link.server import MOST_MONITORS, Listener, monitor_path
from latent_resonance.link.telemetry import Columns, Energies, Report, TelemetryError
from latent_resonance.linux.unix_socket import SocketTaken

COLUMNS = Columns(7, 123, np.arange(8, dtype=np.uint8).reshape(2, 4))
ENERGIES = Energies(9, 456, "play", True, -23.5, 0.0625, neutral_features())


def test_columns_arrive_as_they_were_sent() -> None:
    read = telemetry.decode(COLUMNS.encode())
    assert isinstance(read, Columns)
    assert (read.sequence, read.time_ns) == (7, 123)
    assert (read.levels == COLUMNS.levels).all()


def test_energies_arrive_as_they_were_sent() -> None:
    read = telemetry.decode(ENERGIES.encode())
    assert isinstance(read, Energies)
    assert (read.scene, read.present, read.level_db, read.latency_s) == (
        "play",
        True,
        -23.5,
        0.0625,
    )
    assert read.named == dict(zip(FEATURES, neutral_features().tolist(), strict=True))


def test_a_report_arrives_as_it_was_sent() -> None:
    report = replace(PLAYING, news=((1.5, "no speaker"),), faults={"eye silent": 2}, celsius=None)
    assert telemetry.decode(report.encode()) == report


def test_no_message_has_room_for_a_picture_or_for_landmarks() -> None:
    image, landmarks = 640 * 480 * 3, 478 * 3 * 4
    assert len(ENERGIES.encode()) < landmarks / 40
    assert image / 10 > telemetry.LARGEST
    numbers = {f.name for f in fields(Report) if "tuple" in str(f.type)}
    assert numbers == {"packs", "news", "overridden", "picture_hz", "z"}  # none of them a face's


@given(st.binary(max_size=300))
def test_whatever_is_sent_is_read_or_refused(data: bytes) -> None:
    for magic in (b"", b"LRCO\x01", b"LREN\x01", b"LRRE\x01"):
        try:
            telemetry.decode(magic + data)
        except TelemetryError:
            continue


def test_columns_that_promise_more_than_they_hold_are_refused() -> None:
    message = COLUMNS.encode()
    for damaged in (message[:-1], message + b"x", message[:5] + b"\xff" + message[6:]):
        with pytest.raises(TelemetryError):
            telemetry.decode(damaged)


@pytest.mark.parametrize(
    "content",
    [
        {"volume_db": -6.0},
        {"muted": True},
        {"standby": False},
        {"quiet": True},
        {"pack": "voices"},
        {"tone": 2.0},
        {"override": {"mouth_open": 0.4, "head_yaw": -0.25}},
        {"override": {}},
        {"z": [0.5, -1.25]},
        {"z": None},
        {"pairs": [[*([0.0] * 16), 0.5, 1.0]]},
        {"correcting": False},
    ],
)
def test_a_request_arrives_as_it_was_made(content: dict[str, object]) -> None:
    assert json.loads(requests.decode(json.dumps(content).encode()).encode()) == content


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({"volume_db": 3}, "from -60 to 0"),
        ({"volume_db": math.nan}, "from -60 to 0"),
        ({"volume_db": True}, "a number"),
        ({"muted": 1}, "true or false"),
        ({"pack": "../cello"}, "name of a pack"),
        ({"pack": "/etc"}, "name of a pack"),
        ({"tone": 3600}, "from 0 to 10"),
        ({"override": {"nose": 1}}, "should name features"),
        ({"override": {"mouth_open": 7}}, "from -0.0001 to 1"),
        ({"override": [1]}, "should name features"),
        ({"z": []}, "a list of 1 to 512"),
        ({"z": ["a"]}, "a number"),
        ({"z": [math.inf]}, "a number"),
        ({"pairs": [[0.0] * 16]}, "16 features and then z"),
        ({"pairs": [[0.0] * 20] * 65}, "at most 64"),
        ({"reboot": True}, "no request"),
        ({"muted": True, "standby": True}, "one key"),
        ([], "one key"),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_with_the_rule(content: object, rule: str) -> None:
    with pytest.raises(RequestError, match=rule):
        request(content)


def test_the_ends_of_every_features_range_survive_being_written_down() -> None:
    for name, limits in FEATURE_RANGES.items():
        for value in limits:
            target = request({"override": {name: float(np.float32(value))}})
            assert requests.decode(target.encode()).value[name] == pytest.approx(value, abs=1e-5)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_whatever_is_asked_is_done_or_refused(data: bytes) -> None:
    try:
        assert isinstance(requests.decode(data), Request)
    except RequestError:
        return


def test_a_request_nested_a_thousand_times_is_refused() -> None:
    with pytest.raises(RequestError):
        requests.decode(b'{"z":' + b"[" * 50_000)


def test_pairs_are_features_and_z() -> None:
    taught = (Pair(neutral_features(), np.float32([1.0, 2.0])),)
    (pair,) = requests.decode(Request("pairs", taught).encode()).value
    assert (pair.features == neutral_features()).all()
    assert pair.z.tolist() == [1.0, 2.0]


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    there = Listener(monitor_path(tmp_path / "face.sock"))
    yield there
    there.close()


def call(tmp_path: Path) -> socket.socket:
    calling = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    calling.settimeout(2.0)
    calling.connect(str(tmp_path / "monitor.sock"))
    return calling


def test_who_calls_is_told_and_may_ask(tmp_path: Path, listener: Listener) -> None:
    monitor = call(tmp_path)
    assert not listener.watched
    assert listener.answer()
    assert listener.watched
    listener.tell(COLUMNS.encode())
    assert monitor.recv(telemetry.LARGEST) == COLUMNS.encode()
    monitor.send(b'{"muted": true}')
    monitor.send(b"nonsense")
    assert [(r.kind, r.value) for r in listener.asked()] == [("muted", True)]
    assert listener.refused == 1


def test_a_monitor_that_does_not_listen_costs_messages_and_no_time(
    tmp_path: Path, listener: Listener
) -> None:
    _hanging = call(tmp_path)
    listener.answer()
    for _ in range(5000):
        listener.tell(COLUMNS.encode())
    assert listener.dropped > 1000
    assert listener.watched


def test_a_monitor_that_has_gone_is_forgotten(tmp_path: Path, listener: Listener) -> None:
    call(tmp_path).close()
    listener.answer()
    assert list(listener.asked()) == []
    assert not listener.watched


def test_a_fifth_monitor_is_hung_up_on(tmp_path: Path, listener: Listener) -> None:
    callers = []
    for _ in range(MOST_MONITORS + 1):
        callers.append(call(tmp_path))
        listener.answer()
    listener.tell(b"hello")
    assert [caller.recv(9) for caller in callers] == [b"hello"] * MOST_MONITORS + [b""]


def test_only_its_owner_may_call(tmp_path: Path, listener: Listener) -> None:
    assert listener.watched is False
    assert (tmp_path / "monitor.sock").stat().st_mode & 0o777 == 0o600


def test_the_socket_of_a_voice_that_died_is_replaced_and_that_of_a_living_one_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "monitor.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as dead:
        dead.bind(str(path))
    living = Listener(path)
    with pytest.raises(SocketTaken):
        Listener(path)
    living.close()
    assert not path.exists()
