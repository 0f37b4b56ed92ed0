"""Messages between voice and monitor: round trips, validation, and the server."""

from __future__ import annotations

import json
import math
import shutil
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
from latent_resonance.link.requests import Pair, Request, RequestError, parse_request
from latent_resonance.link.server import MAX_MONITORS, MonitorServer, monitor_path
from latent_resonance.link.telemetry import Columns, Energies, Report, TelemetryError
from latent_resonance.linux.unix_socket import SocketInUseError

LEVELS = np.arange(8, dtype=np.uint8).reshape(2, 4)
COLUMNS = Columns(7, 123, LEVELS, LEVELS + np.uint8(100))
ENERGIES = Energies(9, 456, "play", True, -23.5, 0.0625, neutral_features())


def test_columns_survive_a_round_trip() -> None:
    read = telemetry.decode(COLUMNS.encode())
    assert isinstance(read, Columns)
    assert (read.sequence, read.time_ns) == (7, 123)
    assert (read.levels == COLUMNS.levels).all()
    assert (read.generated == COLUMNS.generated).all()


def test_columns_of_a_voice_that_sends_none_generated_are_read_as_dark() -> None:
    message = COLUMNS.encode()
    of_version_1 = message[:4] + b"\x01" + message[5 : -COLUMNS.generated.size]
    read = telemetry.decode(of_version_1)
    assert isinstance(read, Columns)
    assert (read.levels == COLUMNS.levels).all()
    assert read.generated.shape == read.levels.shape
    assert not read.generated.any()


@pytest.mark.parametrize("message", [COLUMNS, ENERGIES, PLAYING])
def test_a_message_of_an_unknown_version_is_rejected(message: telemetry.Message) -> None:
    encoded = message.encode()
    for version in (0, 3, 255):
        with pytest.raises(TelemetryError, match="known version"):
            telemetry.decode(encoded[:4] + bytes([version]) + encoded[5:])


def test_energies_survive_a_round_trip() -> None:
    read = telemetry.decode(ENERGIES.encode())
    assert isinstance(read, Energies)
    assert (read.scene, read.present, read.level_db, read.latency_s) == (
        "play",
        True,
        -23.5,
        0.0625,
    )
    assert read.named == dict(zip(FEATURES, neutral_features().tolist(), strict=True))


def test_a_report_survives_a_round_trip() -> None:
    report = replace(PLAYING, news=((1.5, "no speaker"),), faults={"eye silent": 2}, celsius=None)
    assert telemetry.decode(report.encode()) == report


def test_no_message_has_room_for_an_image_or_landmarks() -> None:
    image, landmarks = 640 * 480 * 3, 478 * 3 * 4
    assert len(ENERGIES.encode()) < landmarks / 40
    assert image / 10 > telemetry.MAX_BYTES
    numbers = {f.name for f in fields(Report) if "tuple" in str(f.type)}
    assert numbers == {"packs", "news", "overridden", "picture_hz", "z"}  # none of them a face's


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_rejected(data: bytes) -> None:
    for magic in (b"", b"LRCO\x01", b"LRCO\x02", b"LREN\x01", b"LRRE\x01"):
        try:
            telemetry.decode(magic + data)
        except TelemetryError:
            continue


def test_columns_of_the_wrong_length_are_rejected() -> None:
    message = COLUMNS.encode()
    half = message[: -COLUMNS.generated.size]
    as_version_1 = message[:4] + b"\x01" + message[5:]
    more_columns = message[:5] + b"\xff" + message[6:]
    for damaged in (message[:-1], message + b"x", half, as_version_1, more_columns):
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
        {"pack": None},
        {"tone": 2.0},
        {"take": 600.0},
        {"override": {"mouth_open": 0.4, "head_yaw": -0.25}},
        {"override": {}},
        {"z": [0.5, -1.25]},
        {"z": None},
        {"pairs": [[*([0.0] * 16), 0.5, 1.0]]},
        {"anchors": [[0.5, 1.0], [1.0, -1.0]]},
        {"correcting": False},
    ],
)
def test_a_request_survives_a_round_trip(content: dict[str, object]) -> None:
    assert json.loads(requests.decode(json.dumps(content).encode()).encode()) == content


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ({"volume_db": 3}, "from -60 to 0"),
        ({"volume_db": math.nan}, "from -60 to 0"),
        ({"volume_db": 10**400}, "from -60 to 0"),
        ({"volume_db": True}, "a number"),
        ({"muted": 1}, "true or false"),
        ({"pack": "../cello"}, "name of a pack"),
        ({"pack": "/etc"}, "name of a pack"),
        ({"tone": 3600}, "from 0 to 10"),
        ({"take": 601}, "from 0 to 600"),
        ({"override": {"nose": 1}}, "should name features"),
        ({"override": {"mouth_open": 7}}, "from -0.0001 to 1"),
        ({"override": [1]}, "should name features"),
        ({"z": []}, "a list of 1 to 512"),
        ({"z": ["a"]}, "a number"),
        ({"z": [math.inf]}, "a number"),
        ({"pairs": [[0.0] * 16]}, "16 features followed by z"),
        ({"pairs": [[0.0] * 20] * 65}, "at most 64"),
        ({"anchors": [[0.0] * 2] * 17}, "at most 16"),
        ({"anchors": [[0.0], [0.0, 1.0]]}, "the same length"),
        ({"anchors": [[float("nan")]]}, "from -8 to 8"),
        ({"reboot": True}, "no request"),
        ({"muted": True, "standby": True}, "one key"),
        ([], "one key"),
    ],
)
def test_an_invalid_request_is_rejected_with_the_rule(content: object, rule: str) -> None:
    with pytest.raises(RequestError, match=rule):
        parse_request(content)


def test_range_limits_of_features_survive_rounding_in_json() -> None:
    for name, limits in FEATURE_RANGES.items():
        for value in limits:
            target = parse_request({"override": {name: float(np.float32(value))}})
            assert requests.decode(target.encode()).value[name] == pytest.approx(value, abs=1e-5)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_request_or_rejected(data: bytes) -> None:
    try:
        assert isinstance(requests.decode(data), Request)
    except RequestError:
        return


def test_a_deeply_nested_request_is_rejected() -> None:
    with pytest.raises(RequestError):
        requests.decode(b'{"z":' + b"[" * 50_000)


def test_pairs_hold_features_and_z() -> None:
    examples = (Pair(neutral_features(), np.float32([1.0, 2.0])),)
    (pair,) = requests.decode(Request("pairs", examples).encode()).value
    assert (pair.features == neutral_features()).all()
    assert pair.z.tolist() == [1.0, 2.0]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MonitorServer]:
    server = MonitorServer(monitor_path(tmp_path / "face.sock"))
    yield server
    server.close()


def connect(tmp_path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    client.settimeout(2.0)
    client.connect(str(tmp_path / "monitor.sock"))
    return client


def test_a_monitor_gets_messages_and_sends_requests(tmp_path: Path, server: MonitorServer) -> None:
    monitor = connect(tmp_path)
    assert not server.connected
    assert server.accept()
    assert server.connected
    server.broadcast(COLUMNS.encode())
    assert monitor.recv(telemetry.MAX_BYTES) == COLUMNS.encode()
    monitor.send(b'{"muted": true}')
    monitor.send(b"nonsense")
    assert [(r.kind, r.value) for r in server.requests()] == [("muted", True)]
    assert server.rejected == 1


def test_a_monitor_that_does_not_read_loses_messages_without_blocking(
    tmp_path: Path, server: MonitorServer
) -> None:
    _idle = connect(tmp_path)
    server.accept()
    for _ in range(5000):
        server.broadcast(COLUMNS.encode())
    assert server.dropped > 1000
    assert server.connected


def test_a_closed_connection_is_removed(tmp_path: Path, server: MonitorServer) -> None:
    connect(tmp_path).close()
    server.accept()
    assert list(server.requests()) == []
    assert not server.connected


@pytest.mark.parametrize("unread", [False, True], ids=["read all", "left messages unread"])
def test_a_request_counts_whose_monitor_closed_before_the_next_message(
    tmp_path: Path, server: MonitorServer, unread: bool
) -> None:
    monitor = connect(tmp_path)
    server.accept()
    assert list(server.requests()) == []
    if unread:
        server.broadcast(b"not read")
    monitor.send(json.dumps({"standby": True}).encode())
    monitor.close()
    server.broadcast(b"to a closed end")
    assert [request.kind for request in server.requests()] == ["standby"]
    list(server.requests())
    assert not server.connected


def test_a_fifth_monitor_is_disconnected(tmp_path: Path, server: MonitorServer) -> None:
    clients = []
    for _ in range(MAX_MONITORS + 1):
        clients.append(connect(tmp_path))
        server.accept()
    server.broadcast(b"hello")
    assert [client.recv(9) for client in clients] == [b"hello"] * MAX_MONITORS + [b""]


def test_the_socket_is_accessible_to_its_owner_only(tmp_path: Path, server: MonitorServer) -> None:
    assert server.connected is False
    assert (tmp_path / "monitor.sock").stat().st_mode & 0o777 == 0o600


def test_a_stale_socket_is_replaced_and_one_in_use_is_not(
    tmp_path: Path,
) -> None:
    path = tmp_path / "monitor.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stale:
        stale.bind(str(path))
    running = MonitorServer(path)
    with pytest.raises(SocketInUseError):
        MonitorServer(path)
    running.close()
    assert not path.exists()


def test_a_server_whose_folder_was_removed_keeps_its_monitors_and_takes_new_ones(
    tmp_path: Path,
) -> None:
    path = monitor_path(tmp_path / "run" / "face.sock")
    server = MonitorServer(path)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as first:
        first.connect(str(path))
        assert server.accept()
        shutil.rmtree(path.parent)
        server.rebind_if_removed()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as second:
            second.connect(str(path))
            assert server.accept()
            server.broadcast(b"to all")
            assert first.recv(100) == second.recv(100) == b"to all"
    server.close()
    assert not path.exists()
