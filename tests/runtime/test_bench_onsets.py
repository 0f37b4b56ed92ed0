"""What a gesture's onset is, and how a tape of what is heard is kept and read."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from latent_resonance.bench.latency_pack import CLOSED_HZ, OPEN_HZ
from latent_resonance.bench.motion import delays_of
from latent_resonance.bench.onsets import (
    RATE,
    TapeError,
    chord_levels,
    high_levels,
    onset_s,
    read_tape,
)
from latent_resonance.bench.tape import HEAD, Clock
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.ring import Ring


def tone(frequency_hz: float, seconds: float) -> np.ndarray:
    return 0.1 * np.sin(2 * np.pi * frequency_hz * np.arange(round(seconds * RATE)) / RATE)


def tape_of(pieces: list[tuple[float, np.ndarray]]) -> bytes:
    return b"".join(
        HEAD.pack(round(at_s * 1e9), len(samples)) + samples.astype(np.float32).tobytes()
        for at_s, samples in pieces
    )


# What an onset is.


@pytest.mark.parametrize("opened_s", [0.5, 0.5137])
def test_a_filter_that_opens_is_found_within_two_milliseconds(opened_s: float) -> None:
    sound = tone(150, 2.0)
    sound[round(opened_s * RATE) :] += tone(5000, 2.0)[: len(sound) - round(opened_s * RATE)]
    found = onset_s(high_levels(sound), 0.0, 0.4)
    assert 0.4 + found == pytest.approx(opened_s, abs=0.002)


def test_another_chord_is_found_no_earlier_than_half_a_window_before_it() -> None:
    sound = np.concatenate([tone(CLOSED_HZ, 0.5), tone(OPEN_HZ, 1.0)])
    found = onset_s(chord_levels(sound, OPEN_HZ), 0.0, 0.4)
    assert 0.5 - 0.022 < 0.4 + found < 0.5


def test_where_nothing_changes_nothing_is_found() -> None:
    sound = tone(OPEN_HZ, 2.0) + tone(5000, 2.0)
    assert np.isnan(onset_s(high_levels(sound), 0.0, 0.5))
    assert np.isnan(onset_s(chord_levels(sound, OPEN_HZ), 0.0, 0.5))


@pytest.mark.parametrize("rate", [44_100, 48_000])
def test_gestures_that_are_heard_after_so_long_are_said_to_be(rate: int) -> None:
    gestures_s, filter_s, z_s = np.array([101.0, 102.25, 103.4, 104.9]), 0.07, 0.19
    times = 100.0 + np.arange(5 * rate) / rate
    after = times[:, None] - gestures_s
    bright, other = ((after > s) & (after < s + 0.4) for s in (filter_s, z_s))
    sound = np.sin(2 * np.pi * CLOSED_HZ * times)
    sound += bright.any(axis=1) * np.sin(2 * np.pi * 5000 * times)
    sound += other.any(axis=1) * np.sin(2 * np.pi * OPEN_HZ * times)
    blocks = np.split(sound, 500)
    heard = read_tape(tape_of([(100 + 0.01 * i, b) for i, b in enumerate(blocks)]), rate)
    assert heard.ended_s == pytest.approx(105.0)
    delays = delays_of(heard, gestures_s)
    assert delays["filter"] == pytest.approx([70.0] * 3, abs=2.5)  # the last one has no time to be
    # A chord of 43 ms' look at it is heard a little before its own middle.
    assert delays["z"] == pytest.approx([190.0 - 12.0] * 3, abs=10)


# What a tape is.


def test_a_gap_in_a_tape_is_silence_of_its_length() -> None:
    piece = np.full(480, 0.5)
    heard = read_tape(tape_of([(at_s, piece) for at_s in (7.0, 7.01, 7.05)]))
    assert heard.begun_s(7.0) == pytest.approx(7.0, abs=1e-6)
    assert len(heard.samples) == 0.06 * RATE
    assert np.count_nonzero(heard.samples == 0) == pytest.approx(0.03 * RATE, abs=2)


def test_an_empty_tape_says_that_nothing_was_played() -> None:
    with pytest.raises(TapeError, match="has played nothing"):
        read_tape(b"")


def test_a_clock_that_is_read_late_now_and_then_tears_no_hole_and_moves_no_sample() -> None:
    sound, rng = tone(150, 4.0), np.random.default_rng(0)
    late_s = np.where(rng.random(800) < 0.2, rng.uniform(0, 0.015, 800), 0.0)
    blocks = np.split(sound, 800)
    heard = read_tape(tape_of([(50 + 0.005 * i + late_s[i], b) for i, b in enumerate(blocks)]))
    np.testing.assert_array_equal(heard.samples, sound.astype(np.float32))
    assert heard.begun_s(52.0) == pytest.approx(50.0, abs=1e-4)


def test_a_device_whose_clock_runs_fast_is_followed() -> None:
    blocks = np.split(tone(150, 10.0), 1000)
    heard = read_tape(tape_of([(50 + 0.00999 * i, block) for i, block in enumerate(blocks)]))
    assert heard.begun_s(51.0) == pytest.approx(50 - 0.001, abs=3e-4)
    assert heard.begun_s(59.0) == pytest.approx(50 - 0.009, abs=3e-4)
    assert np.isnan(heard.begun_s(70.0))


def test_a_clock_takes_samples_at_the_pace_of_a_card_and_says_when_they_would_be_heard() -> None:
    taken: list[tuple[float, float]] = []

    def callback(_out: bytearray, frames: int, times: object, _status: object) -> None:
        assert frames == 240
        taken.append((times.currentTime, times.outputBufferDacTime))

    clock = Clock(RATE, 0.02, 1, callback)
    clock.start()
    began_s = time.monotonic()
    while len(taken) < 100 and time.monotonic() - began_s < 5:
        time.sleep(0.02)
    asked_s, heard_s = np.array(taken[:100]).T
    assert clock.active
    assert np.median(np.diff(heard_s)) == pytest.approx(0.005, abs=1e-6)
    assert np.median(heard_s - asked_s) == pytest.approx(0.02, abs=0.002)


def test_the_taped_output_process_keeps_every_sample_that_it_takes_from_the_ring(
    tmp_path: Path,
) -> None:
    ring, stop = Ring(4096), threading.Event()
    program = (sys.executable, "-m", "latent_resonance.bench.tape", str(tmp_path / "tape"))
    said: list[str] = []
    speaker = Speaker(ring, RATE, "nobody's", 0.02, said.append, program=program)
    sent, at, end_s = np.arange(1, RATE, dtype=np.float32), 0, time.monotonic() + 20
    try:
        while (at < len(sent) or not ring.empty) and time.monotonic() < end_s:
            speaker.poll(time.monotonic())
            if speaker.playing and at < len(sent) and ring.space >= 512:
                ring.push(sent[at : at + 512])
                at += 512
            stop.wait(0.001)
    finally:
        speaker.close()
    assert said == ["playing on a clock, for want of a speaker (no sound)"]
    heard = read_tape((tmp_path / "tape").read_bytes())
    np.testing.assert_array_equal(heard.samples[heard.samples > 0], sent)
