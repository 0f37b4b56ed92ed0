"""What crosses from the eye to the voice: how much, in which form, and to whom."""

from __future__ import annotations

import os
import socket
import stat
import struct
import time
from collections.abc import Iterator
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


def a_state(sequence: int = 7, **features: float) -> FaceState:
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


def test_there_are_sixteen_features_each_with_a_unit_and_a_range() -> None:
    assert len(FEATURES) == 16
    assert set(FEATURES) == set(FEATURE_UNITS) == set(FEATURE_RANGES)


def test_a_neutral_face_does_nothing_with_open_eyes() -> None:
    neutral = dict(zip(FEATURES, neutral_features(), strict=True))
    assert neutral.pop("eye_open") == 1
    assert not any(neutral.values())


def test_a_state_survives_the_way_there() -> None:
    sent = a_state(mouth_open=0.25, head_yaw=-0.5)
    read = decode(encode(sent))
    assert (read.sequence, read.time_ns, read.present) == (7, sent.time_ns, True)
    np.testing.assert_array_equal(read.features, sent.features)


def test_a_message_holds_a_header_and_sixteen_numbers_and_nothing_else() -> None:
    assert MESSAGE_BYTES == HEADER_BYTES + 16 * 4
    assert len(encode(a_state())) == MESSAGE_BYTES


def test_features_out_of_range_are_clipped_where_they_arrive() -> None:
    read = decode(encode(a_state(mouth_open=7.0, yaw_velocity=-99.0)))
    assert read.features[FEATURES.index("mouth_open")] == 1
    assert read.features[FEATURES.index("yaw_velocity")] == FEATURE_RANGES["yaw_velocity"][0]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "has 0"),
        (encode(a_state()) + b"\0", "has 89"),
        (b"JPEG" + encode(a_state())[4:], "not a face state"),
        (encode(a_state())[:4] + b"\x09" + encode(a_state())[5:], "version 9"),
        (encode(a_state())[:-4] + struct.pack("<f", float("nan")), "finite"),
        (encode(a_state())[:-4] + struct.pack("<f", float("inf")), "finite"),
    ],
)
def test_what_is_not_a_face_state_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        decode(data)


def test_the_newest_of_several_states_is_received(receiver: FaceReceiver, path: Path) -> None:
    sender = FaceSender(path)
    for sequence in range(5):
        assert sender.send(a_state(sequence))
    newest = receiver.receive(1.0)
    assert newest is not None
    assert newest.sequence == 4
    assert receiver.receive(0.0) is None
    sender.close()


def test_a_receiver_waits_no_longer_than_it_was_told(receiver: FaceReceiver) -> None:
    began = time.monotonic()
    assert receiver.receive(0.1) is None
    assert 0.09 < time.monotonic() - began < 1.0


def test_noise_on_the_socket_is_counted_and_passed_over(receiver: FaceReceiver, path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        for data in (b"", b"hello", encode(a_state(3)), b"x" * 5000):
            stranger.sendto(data, str(path))
    state = receiver.receive(0.5)
    assert state is not None
    assert state.sequence == 3
    assert receiver.rejected == 3


def test_sending_to_nobody_neither_waits_nor_fails(path: Path) -> None:
    sender = FaceSender(path)
    assert not sender.send(a_state())
    FaceReceiver(path).close()
    assert not sender.send(a_state())
    sender.close()


@pytest.mark.usefixtures("receiver")
def test_a_voice_that_does_not_read_never_holds_the_eye(path: Path) -> None:
    sender = FaceSender(path)
    began = time.monotonic()
    taken = [sender.send(a_state(i)) for i in range(5000)]
    assert time.monotonic() - began < 5
    assert taken[0]
    assert not taken[-1]
    sender.close()


def test_a_voice_that_starts_again_hears_the_same_eye(path: Path) -> None:
    sender = FaceSender(path)
    for _ in range(2):
        receiver = FaceReceiver(path)
        assert sender.send(a_state())
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
def test_a_group_may_write_to_the_socket_where_the_folder_is_for_that_group(
    tmp_path: Path, folder: int, socket_file: int
) -> None:
    place = tmp_path / "run"
    place.mkdir()
    place.chmod(folder)
    before = os.umask(0o077)  # as in the unit
    try:
        receiver = FaceReceiver(place / "face.sock")
    finally:
        os.umask(before)
    assert stat.S_IMODE((place / "face.sock").stat().st_mode) == socket_file
    receiver.close()


def test_a_second_voice_is_told_that_the_first_one_listens(
    receiver: FaceReceiver, path: Path
) -> None:
    with pytest.raises(SocketInUseError, match="another performance is listening"):
        FaceReceiver(path)
    FaceSender(path).send(a_state())
    assert receiver.receive(1.0) is not None


def test_the_socket_of_a_voice_that_died_is_replaced(path: Path) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as dead:
        dead.bind(str(path))
    FaceReceiver(path).close()


def test_a_file_in_the_way_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("a letter")
    with pytest.raises(SocketInUseError, match="not a socket"):
        FaceReceiver(path)
    assert path.read_text() == "a letter"


def test_a_voice_that_leaves_does_not_take_its_successors_socket_away(path: Path) -> None:
    first = FaceReceiver(path)
    path.unlink()
    second = FaceReceiver(path)
    first.close()
    assert FaceSender(path).send(a_state())
    assert second.receive(1.0) is not None
    second.close()


def test_a_path_too_long_for_a_socket_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at most 107"):
        FaceSender(tmp_path / ("x" * 120))
