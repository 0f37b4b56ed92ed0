"""The supervision of the output process, and what reaches it through the ring."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.config.output import Output, voice_channels
from latent_resonance.voice.output.device import (
    CALLBACK_TIMEOUT_S,
    OPEN_TIMEOUT_S,
    STEADY_AFTER_S,
    Speaker,
)
from latent_resonance.voice.output.ring import Ring
from latent_resonance.voice.output.writer import RingWriter

pytestmark = pytest.mark.realtime


class SpeakerRig:
    """A speaker whose output process is a script, polled on a virtual clock."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logged: list[str] = []
        self.opened_rates: list[int] = []
        self.ring = Ring(4800)
        self.now_s = 100.0
        self.speakers: list[Speaker] = []

    def opened(self, sample_rate: int, n_channels: int) -> None:
        """A device is open: the ring starts again."""
        self.opened_rates.append(sample_rate)
        self.ring.restart(n_channels)

    def speaker(self, script: str) -> Speaker:
        """A speaker whose output process runs this script."""
        path = self.folder / "output.py"
        path.write_text("import sys, time\nsay = lambda *w: print(*w, flush=True)\n" + script)
        speaker = Speaker(
            self.ring,
            48_000,
            None,
            0.03,
            self.logged.append,
            self.opened,
            (sys.executable, str(path)),
        )
        self.speakers.append(speaker)
        return speaker

    def poll(self, speaker: Speaker, seconds: float) -> None:
        """Advance the virtual clock."""
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            speaker.poll(self.now_s)
            self.now_s += 0.01

    def poll_until(self, speaker: Speaker, true: Callable[[], bool]) -> None:
        """Poll in real time until a condition holds, with the virtual clock stopped."""
        end_s = time.monotonic() + 30
        while not true():
            speaker.poll(self.now_s)
            time.sleep(0.01)
            assert time.monotonic() < end_s, self.logged


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[SpeakerRig]:
    rig = SpeakerRig(tmp_path)
    yield rig
    for speaker in rig.speakers:
        speaker.close()


NO_DEVICE = "say('none no speaker found'); time.sleep(60)"
PLAYING = "say('found 48000 2 desk'); sys.stdin.readline(); say('beat 1 0 0 0'); "
STALLED = (
    PLAYING
    + "time.sleep(0.2)\nsay('beat 500 0 0 0')\nwhile True: say('beat 500 0 0 0'), time.sleep(0.05)"
)


def test_without_a_speaker_the_ring_is_drained_in_real_time_and_the_remedy_logged_once(
    rig: SpeakerRig,
) -> None:
    speaker = rig.speaker(NO_DEVICE)
    rig.poll_until(speaker, lambda: bool(rig.logged))
    taken = 0
    for _ in range(101):
        while rig.ring.space >= 480:
            rig.ring.push(np.zeros(480, np.float32))
            taken += 480
        rig.poll(speaker, 0.01)
    assert taken - rig.ring.available == pytest.approx(48_000, abs=500)
    assert speaker.underflows == 0
    assert not speaker.playing
    assert rig.logged == ["no speaker found; playing on without a speaker and looking for one"]


def test_an_empty_ring_counts_as_an_underflow(rig: SpeakerRig) -> None:
    speaker = rig.speaker(NO_DEVICE)
    rig.ring.push(np.zeros(480, np.float32))
    speaker.poll(10.0)  # starts the clock
    speaker.poll(10.03)  # within the buffer that a device would have
    assert speaker.underflows == 0
    speaker.poll(10.06)
    assert speaker.underflows == 1


def test_a_late_clock_skips_what_it_has_missed_or_catches_up_for_a_recording(
    rig: SpeakerRig,
) -> None:
    for keep_all, left in ((False, 4800 - 1440), (True, 0)):
        speaker = rig.speaker(NO_DEVICE)
        speaker.keep_all = keep_all
        rig.ring.restart(1)
        rig.ring.push(np.zeros(480, np.float32))
        speaker.poll(10.0)
        speaker.poll(10.2)  # takes 10 ms of what it should have
        rig.ring.push(np.zeros(4800, np.float32))
        assert speaker.late_at(10.2) is keep_all
        speaker.poll(10.23)
        assert speaker.underflows == 1
        assert rig.ring.available == left
    speaker.poll(10.24)
    rig.ring.push(np.zeros(4800, np.float32))
    speaker.poll(10.25)
    rig.ring.push(np.zeros(4800, np.float32))
    speaker.poll(10.25)
    assert not speaker.late_at(10.25)


def test_the_silence_of_a_device_is_counted_once_across_processes(rig: SpeakerRig) -> None:
    speaker = rig.speaker(PLAYING + "say('beat 2 1 0 480')\nsay('beat 3 1 0 960')")
    rig.poll_until(speaker, lambda: not speaker.playing and bool(rig.opened_rates))
    assert speaker.silent_s == pytest.approx(0.02)


def test_a_device_that_stalls_is_silent_until_it_is_given_up(rig: SpeakerRig) -> None:
    speaker = rig.speaker(STALLED)
    rig.poll_until(speaker, lambda: speaker.playing)
    rig.poll(speaker, 4.0)
    rig.poll_until(speaker, lambda: speaker.callbacks == 500)
    rig.poll(speaker, 1.2)
    assert not speaker.playing
    assert speaker.silent_s == pytest.approx(1.0, abs=0.1)


def test_a_device_that_takes_no_samples_is_left_for_the_next(rig: SpeakerRig) -> None:
    script = """
skipped = sys.argv[6:]
name = next((n for n in ('dead', 'broken', 'good') if n not in skipped), 'dead')
say(f'found 48000 2 {name} (ALSA)')
sys.stdin.readline()
if name == 'broken': sys.exit()
for i in range(10**9):
    say(f'beat {i if name == "good" else 0} 0 0 0'), time.sleep(0.01)
"""
    speaker = rig.speaker(script)
    end_s = time.monotonic() + 30
    while not (speaker.name == "good (ALSA)" and speaker.callbacks > 3):
        rig.poll(speaker, 0.05)
        time.sleep(0.005)
        assert time.monotonic() < end_s, rig.logged
    assert speaker.skipped == ["dead", "broken"]


def test_a_better_speaker_is_changed_to_without_calling_the_first_one_gone(
    rig: SpeakerRig, tmp_path: Path
) -> None:
    script = f"""
from pathlib import Path
connected = Path({str(tmp_path / "connected")!r})
say(f'found 48000 2 {{"USB" if connected.exists() else "HDMI"}} (ALSA)')
sys.stdin.readline()
if not connected.exists():
    connected.touch(), say('beat 1 0 0 0'), say('better USB DAC'), sys.exit()
for i in range(10**9): say(f'beat {{i}} 0 0 0'), time.sleep(0.01)
"""
    speaker = rig.speaker(script)
    rig.poll_until(speaker, lambda: speaker.name == "USB (ALSA)" and speaker.callbacks > 3)
    assert rig.logged == [
        "playing on HDMI (ALSA)",
        "USB DAC is connected; changing to it",
        "playing on USB (ALSA)",
    ]


def test_a_speaker_is_lost_if_it_goes_by_itself_and_not_if_it_is_reopened(rig: SpeakerRig) -> None:
    speaker = rig.speaker(PLAYING + "time.sleep(60)")
    rig.poll_until(speaker, lambda: speaker.playing)
    speaker.change(None, 0.05, 2, rig.now_s)
    assert (speaker.playing, speaker.lost) == (False, False)
    rig.poll_until(speaker, lambda: speaker.playing)
    speaker.process.kill()
    rig.poll_until(speaker, lambda: not speaker.playing)
    assert speaker.lost
    rig.poll(speaker, 1.0)
    rig.poll_until(speaker, lambda: speaker.playing)
    assert not speaker.lost


def test_a_speaker_that_was_never_there_is_not_lost(rig: SpeakerRig) -> None:
    speaker = rig.speaker(NO_DEVICE)
    rig.poll_until(speaker, lambda: bool(rig.logged))
    assert not speaker.lost


def test_an_empty_ring_before_the_first_sample_is_no_underflow(rig: SpeakerRig) -> None:
    speaker = rig.speaker(NO_DEVICE)
    rig.poll(speaker, 2.0)
    assert speaker.underflows == 0


def test_a_device_whose_callback_stalls_is_replaced_although_its_stream_is_active(
    rig: SpeakerRig,
) -> None:
    speaker = rig.speaker(STALLED)
    rig.poll_until(speaker, lambda: speaker.callbacks == 1)
    rig.now_s += STEADY_AFTER_S + 0.1  # it has been playing for a while
    rig.poll_until(speaker, lambda: speaker.callbacks == 500)
    first = speaker.process
    rig.poll(speaker, CALLBACK_TIMEOUT_S - 0.1)
    assert speaker.process is first
    rig.poll(speaker, 0.2)
    assert rig.logged[-1].startswith("the speaker does not answer")
    assert first.wait(5) == -9
    rig.poll(speaker, 0.3)
    assert speaker.process is not first
    assert speaker.process is not None


def test_an_output_process_that_hangs_while_opening_is_replaced(rig: SpeakerRig) -> None:
    speaker = rig.speaker("time.sleep(60)")
    rig.poll(speaker, OPEN_TIMEOUT_S - 0.1)
    first = speaker.process
    rig.poll(speaker, 0.5)
    assert first.wait(5) == -9
    assert speaker.process is not first


def test_an_output_process_that_cannot_be_started_is_retried(rig: SpeakerRig) -> None:
    speaker = rig.speaker(NO_DEVICE)
    speaker.program, program = ("/nowhere/at/all",), speaker.program
    rig.poll(speaker, 5.0)
    assert len(rig.logged) == 1
    assert rig.logged[0].startswith("the sound output cannot be started")
    speaker.program = program
    rig.poll(speaker, 2.5)
    assert speaker.process is not None


def test_underflows_are_kept_when_the_process_is_replaced(rig: SpeakerRig) -> None:
    speaker = rig.speaker(PLAYING + "say('beat 2 4 3 480')")
    rig.poll_until(speaker, lambda: not speaker.playing and bool(rig.opened_rates))
    assert speaker.underflows == 7
    assert speaker.xruns == 3
    assert rig.logged[-1].startswith("the speaker is gone")


def test_output_fades_in_at_the_rate_of_a_new_device() -> None:
    geometry = Geometry()
    writer = RingWriter(geometry, 0.1)
    stop, tone = threading.Event(), np.ones(geometry.hop_length, np.float32)

    def drained() -> np.ndarray:
        out = np.zeros(writer.ring.available, np.float32)
        writer.ring.pull(out)
        return out

    for _ in range(20):
        assert writer.wait(stop)
        writer.write(tone)
        before = drained()
    assert np.all(before == 1.0)
    writer.start_device(44_100, 1)
    blocks = []
    for _ in range(20):
        assert writer.wait(stop)
        writer.write(tone)
        blocks.append(drained())
    assert abs(sum(map(len, blocks)) - 20 * 512 * 44_100 / 48_000) < 2
    sound = np.concatenate(blocks)
    assert np.abs(sound[:20]).max() < 0.01
    assert np.abs(np.diff(sound)).max() < 0.01
    assert sound[-1] == pytest.approx(1.0, abs=1e-3)


def test_the_ring_carries_the_samples_of_a_frame_together() -> None:
    ring, out = Ring(1024, n_channels=3), np.zeros(3 * 600, np.float32)
    block = np.arange(3 * 512, dtype=np.float32).reshape(3, 512)
    ring.push(block)
    assert ring.available == 512
    assert ring.space == 512
    assert ring.pull(out) == 512
    assert np.array_equal(out[: 3 * 512].reshape(512, 3).T, block)


def test_frames_of_the_last_device_do_not_reach_the_next() -> None:
    writer, voice = RingWriter(Geometry(), 0.1), np.ones(512, np.float32)
    for _ in range(5):
        writer.write(voice)
    writer.start_device(48_000, 5)
    assert writer.ring.empty
    for _ in range(5):
        writer.write(voice)
    out = np.zeros(5 * writer.ring.available, np.float32)
    assert writer.ring.pull(out) == 5 * 512
    frames = out.reshape(-1, 5)
    assert frames[0, 0] < 1e-3  # faded in
    assert np.array_equal(frames, np.repeat(frames[:, :1], 5, axis=1))


def test_a_device_is_asked_for_the_channels_that_a_changed_routing_names(rig: SpeakerRig) -> None:
    speaker = rig.speaker(
        "say('found 48000', sys.argv[5], 'desk'); sys.stdin.readline(); time.sleep(60)"
    )
    rig.poll_until(speaker, lambda: speaker.playing)
    assert rig.ring.n_channels == 2
    speaker.change(None, 0.03, 6, rig.now_s)
    rig.poll_until(speaker, lambda: speaker.playing)
    assert rig.ring.n_channels == 6


@pytest.mark.parametrize(
    ("settings", "has", "line"),
    [
        ({}, 1, ""),
        ({"channels": "mono"}, 1, ""),
        ({"channels": "stereo"}, 2, ""),
        ({"channels": "stereo"}, 1, "the speaker has 1 channel, output.channels asks for 2;"),
        ({"channels": 6}, 4, "the speaker has 4 channels, output.channels asks for 6;"),
        ({"routing": [{"plays": 1}] * 3}, 2, "the speaker has 2 channels, output.routing names 3;"),
    ],
)
def test_a_speaker_with_too_few_channels_is_reported_once_and_plays_everything(
    settings: dict[str, object], has: int, line: str
) -> None:
    logged: list[str] = []
    writer = RingWriter(Geometry(), 0.5, Output(**settings), logged.append)
    for _ in range(2):
        writer.start_device(48_000, has)
    assert len(logged) == bool(line)
    assert not line or logged[0].startswith(line)
    n_voice = voice_channels(writer.output, has)
    each = 0.1 * (np.arange(512) * n_voice // 512 == np.arange(n_voice)[:, None])
    each = each.astype(np.float32)
    for _ in range(20):
        writer.write(each if n_voice > 1 else each[0])
    out = np.zeros(has * writer.ring.available, np.float32)
    writer.ring.pull(out)
    last = np.abs(out.reshape(-1, has)[-1024:])
    assert (last.max(axis=1) > 0.02).all()  # each channel of the voice in turn
