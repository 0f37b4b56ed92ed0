"""The ring between synthesis and output process, and the speaker that may come and go."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.voice.output.device import (
    CALLBACK_TIMEOUT_S,
    OPEN_TIMEOUT_S,
    STEADY_AFTER_S,
    Speaker,
)
from latent_resonance.voice.output.portaudio_process import DeviceInfo, OutputError, find_device
from latent_resonance.voice.output.ring import Ring, feed
from latent_resonance.voice.output.writer import RingWriter


@pytest.mark.parametrize("read_size", [64, 100, 441, 512, 700])
def test_samples_leave_the_ring_as_they_came_in_blocks_of_any_size(read_size: int) -> None:
    ring, sent = Ring(1536), np.arange(512 * 40, dtype=np.float32)
    received, out, pushed = [], np.zeros(read_size, np.float32), 0
    while pushed < len(sent) or ring.space < ring.capacity:
        while pushed < len(sent) and ring.space >= 512:
            ring.push(sent[pushed : pushed + 512])
            pushed += 512
        n = ring.pull(out)
        received.append(out[:n].copy())
    assert np.array_equal(np.concatenate(received), sent)


def test_an_empty_ring_gives_nothing_and_says_so() -> None:
    ring, out = Ring(1024), np.ones(256, np.float32)
    assert ring.pull(out) == 0
    ring.push(np.full(100, 5.0, np.float32))
    assert ring.pull(out) == 100
    assert np.all(out[:100] == 5.0)
    assert np.all(out[100:] == 1.0)


def test_a_ring_holds_what_it_should_in_blocks_of_an_awkward_size() -> None:
    ring = Ring(5000)
    while ring.space >= 469:
        ring.push(np.ones(469, np.float32))
    assert ring.waiting == 469 * (5000 // 469)


def test_a_writer_and_a_reader_on_two_threads_lose_no_sample() -> None:
    ring, stop = Ring(2048), threading.Event()
    sent = np.arange(512 * 200, dtype=np.float32)

    def write() -> None:
        for start in range(0, len(sent), 512):
            feed(ring, sent[start : start + 512], 48_000_000, stop)

    writer = threading.Thread(target=write)
    writer.start()
    received, count, out = [], 0, np.zeros(333, np.float32)
    while count < len(sent):
        n = ring.pull(out)
        received.append(out[:n].copy())
        count += n
    writer.join()
    assert np.array_equal(np.concatenate(received), sent)


def test_a_writer_that_is_told_to_stop_does_not_wait_for_space() -> None:
    ring, stop = Ring(512), threading.Event()
    ring.push(np.zeros(512, np.float32))
    stop.set()
    assert not feed(ring, np.zeros(512, np.float32), 48_000, stop)


def devices(*names: str) -> list[DeviceInfo]:
    return [DeviceInfo(i, name, "ALSA", 2, 48_000.0, i == 0) for i, name in enumerate(names)]


def test_a_speaker_is_known_by_its_name_whatever_number_its_card_has() -> None:
    today = devices("vc4-hdmi-0: MAI (hw:0,0)", "USB Audio: - (hw:1,0)", "default")
    tomorrow = devices("USB Audio: - (hw:0,0)", "vc4-hdmi-0: MAI (hw:1,0)", "default")
    for found in (today, tomorrow):
        assert find_device("usb audio", found).name.startswith("USB Audio")


@pytest.mark.parametrize("number", ["1", "hw:1"])
def test_a_number_is_no_name_of_a_speaker(number: str) -> None:
    found = devices("vc4-hdmi: MAI (hw:0,0)", "USB Audio: - (hw:1,0)")
    with pytest.raises(OutputError, match=r"there are 'vc4-hdmi: MAI', 'USB Audio: -'"):
        find_device(number, found)


def test_without_a_wish_the_default_speaker_is_taken() -> None:
    assert find_device(None, devices("first", "second")).name == "first"
    with pytest.raises(OutputError, match="no speaker found"):
        find_device(None, [])


class Room:
    """A speaker whose output process is a script, tended on a virtual clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.began: list[int] = []
        self.ring = Ring(4800)
        self.now_s = 100.0
        self.speakers: list[Speaker] = []

    def speaker(self, script: str) -> Speaker:
        """A speaker whose output process runs this."""
        path = self.folder / "output.py"
        path.write_text("import sys, time\nsay = lambda *w: print(*w, flush=True)\n" + script)
        speaker = Speaker(
            self.ring,
            48_000,
            None,
            0.03,
            self.said.append,
            self.began.append,
            (sys.executable, str(path)),
        )
        self.speakers.append(speaker)
        return speaker

    def poll(self, speaker: Speaker, seconds: float) -> None:
        """Lets time pass on the speaker's clock, not on ours."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            speaker.poll(self.now_s)
            self.now_s += 0.01

    def poll_until(self, speaker: Speaker, true: Callable[[], bool]) -> None:
        """Lets our time pass, and not the speaker's."""
        end_s = time.monotonic() + 30
        while not true():
            speaker.poll(self.now_s)
            time.sleep(0.01)
            assert time.monotonic() < end_s, self.said


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    for speaker in room.speakers:
        speaker.close()


NOWHERE = "say('none no speaker found'); time.sleep(60)"
STEADY = "say('found 48000 desk'); sys.stdin.readline(); say('beat 1 0 0'); "
SPINNING = (
    STEADY
    + "time.sleep(0.2)\nsay('beat 500 0 0')\nwhile True: say('beat 500 0 0'), time.sleep(0.05)"
)


def test_without_a_speaker_time_is_kept_and_the_remedy_said_once(room: Room) -> None:
    speaker = room.speaker(NOWHERE)
    room.poll_until(speaker, lambda: bool(room.said))
    taken = 0
    for _ in range(101):
        while room.ring.space >= 480:
            room.ring.push(np.zeros(480, np.float32))
            taken += 480
        room.poll(speaker, 0.01)
    assert taken - room.ring.waiting == pytest.approx(48_000, abs=500)
    assert speaker.underflows == 0
    assert not speaker.playing
    assert room.said == ["no speaker found; playing on without a speaker and looking for one"]


def test_a_ring_that_runs_dry_is_counted_as_an_underflow(room: Room) -> None:
    speaker = room.speaker(NOWHERE)
    room.ring.push(np.zeros(480, np.float32))
    speaker.poll(10.0)  # starts the clock
    speaker.poll(10.03)  # within the buffer that a device would have
    assert speaker.underflows == 0
    speaker.poll(10.06)
    assert speaker.underflows == 1


def test_before_the_first_sample_nothing_runs_dry(room: Room) -> None:
    speaker = room.speaker(NOWHERE)
    room.poll(speaker, 2.0)
    assert speaker.underflows == 0


def test_a_device_whose_callback_rests_is_replaced_though_its_stream_is_active(
    room: Room,
) -> None:
    speaker = room.speaker(SPINNING)
    room.poll_until(speaker, lambda: speaker.callbacks == 1)
    room.now_s += STEADY_AFTER_S + 0.1  # it has been playing for a while
    room.poll_until(speaker, lambda: speaker.callbacks == 500)
    first = speaker.process
    room.poll(speaker, CALLBACK_TIMEOUT_S - 0.1)
    assert speaker.process is first
    room.poll(speaker, 0.2)
    assert room.said[-1].startswith("the speaker does not answer")
    assert first.wait(5) == -9
    room.poll(speaker, 0.3)
    assert speaker.process is not first
    assert speaker.process is not None


def test_an_output_process_that_hangs_while_it_looks_is_replaced(room: Room) -> None:
    speaker = room.speaker("time.sleep(60)")
    room.poll(speaker, OPEN_TIMEOUT_S - 0.1)
    first = speaker.process
    room.poll(speaker, 0.5)
    assert first.wait(5) == -9
    assert speaker.process is not first


def test_an_output_process_that_cannot_be_started_is_tried_again(room: Room) -> None:
    speaker = room.speaker(NOWHERE)
    speaker.program, program = ("/nowhere/at/all",), speaker.program
    room.poll(speaker, 5.0)
    assert len(room.said) == 1
    assert room.said[0].startswith("the sound output cannot be started")
    speaker.program = program
    room.poll(speaker, 2.5)
    assert speaker.process is not None


def test_underflows_outlive_the_process_that_counted_them(room: Room) -> None:
    speaker = room.speaker(STEADY + "say('beat 2 4 3')")
    room.poll_until(speaker, lambda: not speaker.playing and bool(room.began))
    assert speaker.underflows == 7
    assert speaker.xruns == 3
    assert room.said[-1].startswith("the speaker is gone")


def test_a_device_begins_from_silence_at_its_own_rate() -> None:
    geometry = Geometry()
    writer = RingWriter(geometry, 0.1)
    stop, tone = threading.Event(), np.ones(geometry.hop_length, np.float32)

    def drained() -> np.ndarray:
        out = np.zeros(writer.ring.waiting, np.float32)
        writer.ring.pull(out)
        return out

    for _ in range(20):
        assert writer.wait(stop)
        writer.put(tone)
        before = drained()
    assert np.all(before == 1.0)
    writer.begin(44_100)
    heard = []
    for _ in range(20):
        assert writer.wait(stop)
        writer.put(tone)
        heard.append(drained())
    assert abs(sum(map(len, heard)) - 20 * 512 * 44_100 / 48_000) < 2
    sound = np.concatenate(heard)
    assert np.abs(sound[:20]).max() < 0.01
    assert np.abs(np.diff(sound)).max() < 0.01
    assert sound[-1] == pytest.approx(1.0, abs=1e-3)
