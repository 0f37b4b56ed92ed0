"""A take of the sound: begun by a monitor, recorded by the voice into a file that it cannot open.

The monitor's part and the voice's are connected by their own socket.
"""

from __future__ import annotations

import os
import resource
import socket
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from tests.support.status_reports import report

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.audio.wav import WAV_HEADER, WavFile
from latent_resonance.link.requests import MAX_TAKE_S, Request
from latent_resonance.link.server import MonitorServer, monitor_path
from latent_resonance.monitor import takes as monitor_takes
from latent_resonance.monitor.takes import MIB, PART, START_TIMEOUT_S, TakeError, Takes
from latent_resonance.voice.output.take import Take

GEOMETRY = Geometry()
HOP, RATE = GEOMETRY.hop_length, GEOMETRY.sample_rate
TONE = np.full((2, HOP), 0.5, np.float32)


class Voice:
    """The voice's part: a take, whose threads are ended with the test."""

    def __init__(self) -> None:
        self.logged: list[str] = []
        self.threads: list[threading.Thread] = []
        self.take = Take(GEOMETRY, self.start, self.logged.append)

    def start(self, run: Callable[[], None]) -> threading.Thread:
        self.threads.append(threading.Thread(target=run))
        self.threads[-1].start()
        return self.threads[-1]

    def begin(self, file: int, limit_s: float = MAX_TAKE_S, n_channels: int = 2) -> None:
        self.take.apply(Request("take", limit_s, file), n_channels)
        while self.take.seconds is None and self.threads[-1].is_alive():
            time.sleep(0.001)

    def play(self, n_hops: int) -> None:
        for _ in range(n_hops):
            self.take.offer(TONE)

    def end(self) -> None:
        self.take.apply(Request("take", 0.0), 2)
        self.threads[-1].join()


@pytest.fixture
def voice() -> Iterator[Voice]:
    voice = Voice()
    yield voice
    voice.take.close()


def writable(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT)


def n_open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def n_frames(path: Path) -> int:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        return file.getnframes()


def test_a_take_holds_every_block_from_its_begin_to_its_end(voice: Voice, tmp_path: Path) -> None:
    voice.play(5)  # before
    voice.begin(writable(tmp_path / "take"))
    voice.play(47)
    voice.take.fill_gap(2 * HOP / RATE)
    voice.end()
    voice.play(5)  # after
    assert n_frames(tmp_path / "take") == 49 * HOP
    assert voice.take.seconds is None
    assert voice.logged == ["a take has been recorded: 0.5 s, 0.02 s in 1 gaps filled with silence"]


def test_a_take_ends_at_its_limit(voice: Voice, tmp_path: Path) -> None:
    voice.begin(writable(tmp_path / "take"), limit_s=0.1)
    voice.play(9)
    assert voice.threads[-1].is_alive()
    voice.play(1)
    voice.threads[-1].join(5.0)
    assert n_frames(tmp_path / "take") == 10 * HOP
    assert voice.take.seconds is None


def test_a_second_take_is_refused_until_the_first_has_ended(voice: Voice, tmp_path: Path) -> None:
    voice.begin(writable(tmp_path / "first"))
    second = writable(tmp_path / "second")
    voice.begin(second)
    with pytest.raises(OSError, match="descriptor"):
        os.fstat(second)
    voice.play(3)
    voice.end()
    assert n_frames(tmp_path / "first") == 3 * HOP
    assert (tmp_path / "second").stat().st_size == 0
    voice.begin(writable(tmp_path / "second"))
    voice.play(2)
    voice.end()
    assert n_frames(tmp_path / "second") == 2 * HOP


def test_only_a_regular_file_that_is_open_for_writing_is_recorded_into(
    voice: Voice, tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    (tmp_path / "take").touch()
    for file in (writing, os.open(tmp_path / "take", os.O_RDONLY), os.open(tmp_path, os.O_PATH)):
        voice.begin(file)
        voice.play(3)
        voice.end()
        with pytest.raises(OSError, match="descriptor"):
            os.fstat(file)
    assert os.read(reading, 1) == b""
    os.close(reading)
    assert (tmp_path / "take").stat().st_size == 0


def test_a_disk_without_room_ends_the_take_and_says_so(voice: Voice, tmp_path: Path) -> None:
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))  # a write beyond fails, as there
    try:
        voice.begin(writable(tmp_path / "take"))
        voice.play(30)
        voice.threads[-1].join(5.0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert voice.logged[0].startswith("the recording has ended (File too large)")
    assert n_frames(tmp_path / "take") == (40_000 - WAV_HEADER.size) // 4  # what was written
    assert voice.take.seconds is None


class Room(NamedTuple):
    """A monitor's takes, on a clock of this test, and what they have sent to the voice."""

    takes: Takes
    sent: list[Request]
    now_s: list[float]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    sent: list[Request] = []
    now_s = [0.0]
    yield Room(Takes(tmp_path / "takes", sent.append, lambda: now_s[0]), sent, now_s)
    for request in sent:
        if request.file is not None:
            os.close(request.file)


def recorded_into(request: Request, n_hops: int) -> None:
    """What a voice writes that is killed: a header without sizes, and samples."""
    assert request.file is not None
    file = WavFile(os.dup(request.file), RATE, 2)
    for _ in range(n_hops):
        file.write(TONE)
    file.file.close()


def names(room: Room) -> list[str]:
    return [each["name"] for each in room.takes.state()["takes"]]


def test_a_take_is_listed_with_its_length_once_the_voice_has_ended_it(room: Room) -> None:
    room.takes.start()
    assert room.takes.state()["seconds"] == 0.0
    room.takes.on_message(report(take_s=None))  # made before the request came
    recorded_into(room.sent[0], 94)
    room.takes.on_message(report(take_s=1.0))
    assert room.takes.state()["seconds"] == 1.0
    assert names(room) == []
    room.takes.on_message(report(take_s=None))
    (take,) = room.takes.state()["takes"]
    assert take["seconds"] == pytest.approx(94 * HOP / RATE)
    assert n_frames(room.takes.path_of(take["name"])) == 94 * HOP  # its header is complete
    assert room.takes.path_of(take["name"]).stat().st_mode & 0o777 == 0o600


def test_a_take_of_a_monitor_that_was_killed_is_listed_by_the_next(room: Room) -> None:
    room.takes.start()
    recorded_into(room.sent[0], 10)
    after = Takes(room.takes.folder, room.sent.append)
    after.on_message(report(take_s=0.1))
    assert after.state()["takes"] == []
    after.on_message(report(take_s=None))
    assert len(after.state()["takes"]) == 1


def test_a_take_that_the_voice_never_begins_leaves_no_file(room: Room) -> None:
    room.takes.start()
    room.now_s[0] += START_TIMEOUT_S
    room.takes.on_message(report(take_s=None))
    assert room.takes.state() == {"seconds": None, "limit_s": MAX_TAKE_S, "takes": []}
    assert list(room.takes.folder.iterdir()) == []


def test_while_one_is_recorded_there_is_no_second(room: Room) -> None:
    room.takes.start()
    with pytest.raises(TakeError, match="stop it first"):
        room.takes.start()
    room.takes.stop()
    assert [request.value for request in room.sent] == [MAX_TAKE_S, 0.0]


def test_a_take_needs_room_on_the_disk_and_in_the_list(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(monitor_takes, "MIN_FREE_BYTES", 2**60)
        with pytest.raises(TakeError, match=f"MB are free, a take needs {2**60 // MIB}"):
            room.takes.start()
    monkeypatch.setattr(monitor_takes, "MAX_TAKES", 0)
    with pytest.raises(TakeError, match="at most 0 takes"):
        room.takes.start()
    assert room.sent == []
    assert not room.takes.folder.exists()


def test_without_a_voice_no_file_is_left(room: Room) -> None:
    def refuse(_request: Request) -> None:
        raise ConnectionError("the voice is not running")

    room.takes.send = refuse
    with pytest.raises(ConnectionError):
        room.takes.start()
    assert list(room.takes.folder.iterdir()) == []
    assert room.takes.state()["seconds"] is None


@pytest.mark.parametrize("name", ["../monitor-token", "monitor-token", "", None, 7, ["x"]])
def test_only_a_listed_take_is_read_or_deleted(room: Room, name: object) -> None:
    room.takes.folder.mkdir()
    (room.takes.folder / "monitor-token").write_text("secret")
    (room.takes.folder / "take-2026-01-01-000000.wav").symlink_to("monitor-token")
    takes = Takes(room.takes.folder, room.sent.append)
    assert takes.state()["takes"] == []
    for step in (takes.path_of, takes.delete):
        with pytest.raises(TakeError, match="no such take"):
            step(name)
    assert (room.takes.folder / "monitor-token").exists()


def test_the_newest_take_is_listed_first_and_a_deleted_one_not(room: Room) -> None:
    room.takes.folder.mkdir()
    for second in (1, 3, 2):
        WavFile(room.takes.folder / f"take-2026-01-01-00000{second}.wav", RATE).close()
    takes = Takes(room.takes.folder, room.sent.append)
    assert [each["name"][-5] for each in takes.state()["takes"]] == ["3", "2", "1"]
    takes.delete("take-2026-01-01-000002.wav")
    assert [each["name"][-5] for each in takes.state()["takes"]] == ["3", "1"]


def test_the_file_is_passed_over_the_socket_and_no_other_request_has_one(tmp_path: Path) -> None:
    server = MonitorServer(monitor_path(tmp_path / "face.sock"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as monitor:
        monitor.connect(str(tmp_path / "monitor.sock"))
        server.accept()
        file = writable(tmp_path / f"take{PART}")
        before = n_open_files()
        socket.send_fds(monitor, [b'{"take": 5}'], [file, file])  # one too many
        socket.send_fds(monitor, [b'{"muted": true}'], [file])
        socket.send_fds(monitor, [b"nonsense"], [file])
        monitor.send(b'{"take": 0}')
        take, muted, end = server.requests()
        assert (take.value, muted.file, end.file) == (5.0, None, None)
        assert take.file is not None
        assert not os.get_inheritable(take.file)
        os.write(take.file, b"sound")
        os.close(take.file)
        os.close(file)
        assert n_open_files() == before - 1  # the server has kept none
    server.close()
    assert (tmp_path / f"take{PART}").read_bytes() == b"sound"
