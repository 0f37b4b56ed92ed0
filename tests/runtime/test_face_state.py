"""FaceState: its features, its wire format, and the socket between eye and voice."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import stat
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.face_state import (
    FEATURE_RANGES,
    FEATURE_UNITS,
    FEATURES,
    MESSAGE_BYTES,
    FaceReceiver,
    FaceSender,
    FaceState,
    decode,
    encode,
    neutral_features,
)
from latent_resonance.linux.unix_socket import SocketInUseError

HEADER_BYTES = 24


def make_state(sequence: int = 7, **features: float) -> FaceState:
    values = neutral_features()
    for name, value in features.items():
        values[FEATURES.index(name)] = value
    return FaceState(sequence, 123_456_789_012_345, True, values)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "face.sock"


@pytest.fixture
def receiver(path: Path) -> Iterator[FaceReceiver]:
    receiver = FaceReceiver(path)
    yield receiver
    receiver.close()


def test_each_of_the_sixteen_features_has_a_unit_and_a_range() -> None:
    assert len(FEATURES) == 16
    assert set(FEATURES) == set(FEATURE_UNITS) == set(FEATURE_RANGES)


def test_a_neutral_face_is_zero_except_open_eyes() -> None:
    neutral = dict(zip(FEATURES, neutral_features(), strict=True))
    assert neutral.pop("eye_open") == 1
    assert not any(neutral.values())


def test_a_state_survives_a_round_trip() -> None:
    sent = make_state(mouth_open=0.25, head_yaw=-0.5)
    read = decode(encode(sent))
    assert (read.sequence, read.time_ns, read.present) == (7, sent.time_ns, True)
    assert not read.without_image
    assert decode(encode(replace(sent, without_image=True))).without_image
    np.testing.assert_array_equal(read.features, sent.features)


def test_a_message_holds_only_a_header_and_sixteen_numbers() -> None:
    assert MESSAGE_BYTES == HEADER_BYTES + 16 * 4
    assert len(encode(make_state())) == MESSAGE_BYTES


def test_features_out_of_range_are_clipped_on_decoding() -> None:
    read = decode(encode(make_state(mouth_open=7.0, yaw_velocity=-99.0)))
    assert read.features[FEATURES.index("mouth_open")] == 1
    assert read.features[FEATURES.index("yaw_velocity")] == FEATURE_RANGES["yaw_velocity"][0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0"),
        (encode(make_state()) + b"\0", "has 89"),
        (b"JPEG" + encode(make_state())[4:], "not a face state"),
        (encode(make_state())[:4] + b"\x09" + encode(make_state())[5:], "version 9"),
        (encode(make_state())[:-4] + struct.pack("<f", float("nan")), "finite"),
        (encode(make_state())[:-4] + struct.pack("<f", float("inf")), "finite"),
    ],
)
def test_an_invalid_message_is_rejected(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(data)


def test_the_newest_of_several_states_is_received(receiver: FaceReceiver, path: Path) -> None:
    sender = FaceSender(path)
    for sequence in range(5):
        assert sender.send(make_state(sequence))
    newest = receiver.receive(1.0)
    assert newest is not None
    assert newest.sequence == 4
    assert receiver.receive(0.0) is None
    sender.close()


@pytest.mark.realtime
def test_a_receiver_waits_no_longer_than_the_timeout(receiver: FaceReceiver) -> None:
    began = time.monotonic()
    assert receiver.receive(0.1) is None
    assert 0.09 < time.monotonic() - began < 1.0


def test_invalid_datagrams_are_counted_and_skipped(receiver: FaceReceiver, path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        for data in (b"", b"hello", encode(make_state(3)), b"x" * 5000):
            sender.sendto(data, str(path))
    state = receiver.receive(0.5)
    assert state is not None
    assert state.sequence == 3
    assert receiver.rejected == 3


def test_sending_without_a_receiver_neither_blocks_nor_fails(path: Path) -> None:
    sender = FaceSender(path)
    assert not sender.send(make_state())
    FaceReceiver(path).close()
    assert not sender.send(make_state())
    sender.close()


@pytest.mark.realtime
@pytest.mark.usefixtures("receiver")
def test_a_voice_that_does_not_read_never_blocks_the_eye(path: Path) -> None:
    sender = FaceSender(path)
    began = time.monotonic()
    sent = [sender.send(make_state(i)) for i in range(5000)]
    assert time.monotonic() - began < 5
    assert sent[0]
    assert not sent[-1]
    sender.close()


def test_a_restarted_voice_receives_from_the_same_eye(path: Path) -> None:
    sender = FaceSender(path)
    for _ in range(2):
        receiver = FaceReceiver(path)
        assert sender.send(make_state())
        assert receiver.receive(1.0) is not None
        receiver.close()
    sender.close()


def test_only_its_owner_may_write_to_the_socket(receiver: FaceReceiver, path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    receiver.close()
    assert not path.exists()


@pytest.mark.parametrize(
    ("folder", "socket_file"), [(0o750, 0o660), (0o710, 0o660), (0o700, 0o600), (0o755, 0o600)]
)
def test_the_folders_group_may_write_to_the_socket_if_no_one_else_may_enter(
    tmp_path: Path, folder: int, socket_file: int
) -> None:
    folder_path = tmp_path / "run"
    folder_path.mkdir()
    folder_path.chmod(folder)
    before = os.umask(0o077)  # as in the unit
    try:
        receiver = FaceReceiver(folder_path / "face.sock")
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder_path / "face.sock").stat().st_mode) == socket_file
    receiver.close()


def test_a_second_voice_is_refused_while_the_first_one_runs(
    receiver: FaceReceiver, path: Path
) -> None:
    with pytest.raises(SocketInUseError, match="another performance is listening"):
        FaceReceiver(path)
    FaceSender(path).send(make_state())
    assert receiver.receive(1.0) is not None


def test_a_stale_socket_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stale:
        stale.bind(str(path))
    FaceReceiver(path).close()


def test_a_regular_file_at_the_path_is_refused_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a letter")
    with pytest.raises(SocketInUseError, match="not a socket"):
        FaceReceiver(path)
    assert path.read_text() == "a letter"


def test_a_closing_voice_keeps_its_successors_socket(path: Path) -> None:
    first = FaceReceiver(path)
    path.unlink()
    second = FaceReceiver(path)
    first.close()
    assert FaceSender(path).send(make_state())
    assert second.receive(1.0) is not None
    second.close()


def test_a_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 107"):
        FaceSender(tmp_path / ("x" * 120))


def test_a_receiver_whose_folder_was_removed_can_be_reached_again(tmp_path: Path) -> None:
    path = tmp_path / "run" / "face.sock"
    receiver, sender = FaceReceiver(path), FaceSender(path)
    assert not receiver.rebind_if_removed()
    shutil.rmtree(path.parent)
    assert not sender.send(make_state())
    assert receiver.rebind_if_removed()
    assert sender.send(make_state(7))
    state = receiver.receive(1.0)
    assert state is not None
    assert state.sequence == 7
    sender.close()
    receiver.close()
    assert not path.exists()


def test_a_folder_that_another_program_has_locked_is_refused_soon(path: Path) -> None:
    path.parent.mkdir()
    descriptor = os.open(path.parent, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(SocketInUseError, match="locked the folder"):
        FaceReceiver(path)
    os.close(descriptor)
    FaceReceiver(path).close()
