"""The onset of a gesture in the sound, and how a tape is recorded and read."""

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
    SAMPLE_RATE,
    TapeError,
    chord_levels,
    high_levels,
    onset_s,
    read_tape,
)
from latent_resonance.bench.tape import HEAD, ClockStream
from latent_resonance.voice.output.device import Speaker
from latent_resonance.voice.output.ring import Ring


def tone(frequency_hz: float, seconds: float) -> np.ndarray:
    times_s = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return 0.1 * np.sin(2 * np.pi * frequency_hz * times_s)


def tape_of(blocks: list[tuple[float, np.ndarray]]) -> bytes:
    return b"".join(
        HEAD.pack(round(at_s * 1e9), len(samples)) + samples.astype(np.float32).tobytes()
        for at_s, samples in blocks
    )


# Onsets.


@pytest.mark.parametrize("opened_s", [0.5, 0.5137])
def test_a_filter_that_opens_is_found_within_two_milliseconds(opened_s: float) -> None:
    sound, first = tone(150, 2.0), round(opened_s * SAMPLE_RATE)
    sound[first:] += tone(5000, 2.0)[: len(sound) - first]
    found = onset_s(high_levels(sound), 0.0, 0.4)
    assert 0.4 + found == pytest.approx(opened_s, abs=0.002)


def test_another_chord_is_found_no_earlier_than_half_a_window_before_it() -> None:
    sound = np.concatenate([tone(CLOSED_HZ, 0.5), tone(OPEN_HZ, 1.0)])
    found = onset_s(chord_levels(sound, OPEN_HZ), 0.0, 0.4)
    assert 0.5 - 0.022 < 0.4 + found < 0.5


def test_a_steady_sound_has_no_onset() -> None:
    sound = tone(OPEN_HZ, 2.0) + tone(5000, 2.0)
    assert np.isnan(onset_s(high_levels(sound), 0.0, 0.5))
    assert np.isnan(onset_s(chord_levels(sound, OPEN_HZ), 0.0, 0.5))


@pytest.mark.parametrize("sample_rate", [44_100, 48_000])
def test_known_delays_of_gestures_are_measured(sample_rate: int) -> None:
    gestures_s, filter_s, z_s = np.array([101.0, 102.25, 103.4, 104.9]), 0.07, 0.19
    times = 100.0 + np.arange(5 * sample_rate) / sample_rate
    after = times[:, None] - gestures_s
    bright, other = ((after > s) & (after < s + 0.4) for s in (filter_s, z_s))
    sound = np.sin(2 * np.pi * CLOSED_HZ * times)
    sound += bright.any(axis=1) * np.sin(2 * np.pi * 5000 * times)
    sound += other.any(axis=1) * np.sin(2 * np.pi * OPEN_HZ * times)
    blocks = np.split(sound, 500)
    recording = read_tape(tape_of([(100 + 0.01 * i, b) for i, b in enumerate(blocks)]), sample_rate)
    assert recording.end_s == pytest.approx(105.0)
    delays = delays_of(recording, gestures_s)
    assert delays["filter"] == pytest.approx([70.0] * 3, abs=2.5)  # the last one comes too late
    # With a window of 43 ms the onset of a chord is found a little early.
    assert delays["z"] == pytest.approx([190.0 - 12.0] * 3, abs=10)


# Tapes.


def test_a_gap_in_a_tape_is_silence_of_its_length() -> None:
    block = np.full(480, 0.5)
    recording = read_tape(tape_of([(at_s, block) for at_s in (7.0, 7.01, 7.05)]))
    assert recording.start_s(7.0) == pytest.approx(7.0, abs=1e-6)
    assert len(recording.samples) == 0.06 * SAMPLE_RATE
    assert np.count_nonzero(recording.samples == 0) == pytest.approx(0.03 * SAMPLE_RATE, abs=2)


def test_an_empty_tape_is_an_error() -> None:
    with pytest.raises(TapeError, match="has played nothing"):
        read_tape(b"")


def test_a_clock_that_is_sometimes_read_late_makes_no_gap_and_moves_no_sample() -> None:
    sound, rng = tone(150, 4.0), np.random.default_rng(0)
    late_s = np.where(rng.random(800) < 0.2, rng.uniform(0, 0.015, 800), 0.0)
    blocks = np.split(sound, 800)
    recording = read_tape(tape_of([(50 + 0.005 * i + late_s[i], b) for i, b in enumerate(blocks)]))
    np.testing.assert_array_equal(recording.samples, sound.astype(np.float32))
    assert recording.start_s(52.0) == pytest.approx(50.0, abs=1e-4)


def test_the_drift_of_a_devices_clock_is_followed() -> None:
    blocks = np.split(tone(150, 10.0), 1000)
    recording = read_tape(tape_of([(50 + 0.00999 * i, block) for i, block in enumerate(blocks)]))
    assert recording.start_s(51.0) == pytest.approx(50 - 0.001, abs=3e-4)
    assert recording.start_s(59.0) == pytest.approx(50 - 0.009, abs=3e-4)
    assert np.isnan(recording.start_s(70.0))


def test_a_clock_consumes_samples_at_a_cards_rate_and_reports_their_output_times() -> None:
    requests: list[tuple[float, float]] = []

    def callback(_out: bytearray, frames: int, times: object, _status: object) -> None:
        assert frames == 240
        requests.append((times.currentTime, times.outputBufferDacTime))

    clock = ClockStream(SAMPLE_RATE, 0.02, 1, callback)
    clock.start()
    started_s = time.monotonic()
    while len(requests) < 100 and time.monotonic() - started_s < 5:
        time.sleep(0.02)
    requested_s, output_s = np.array(requests[:100]).T
    assert clock.active
    assert np.median(np.diff(output_s)) == pytest.approx(0.005, abs=1e-6)
    assert np.median(output_s - requested_s) == pytest.approx(0.02, abs=0.002)


def test_the_tape_has_every_sample_that_the_output_process_takes_from_the_ring(
    tmp_path: Path,
) -> None:
    ring, stop = Ring(4096), threading.Event()
    program = (sys.executable, "-m", "latent_resonance.bench.tape", str(tmp_path / "tape"))
    log: list[str] = []
    speaker = Speaker(ring, SAMPLE_RATE, "missing", 0.02, log.append, program=program)
    sent, at, end_s = np.arange(1, SAMPLE_RATE, dtype=np.float32), 0, time.monotonic() + 20
    try:
        while (at < len(sent) or not ring.empty) and time.monotonic() < end_s:
            speaker.poll(time.monotonic())
            if speaker.playing and at < len(sent) and ring.space >= 512:
                ring.push(sent[at : at + 512])
                at += 512
            stop.wait(0.001)
    finally:
        speaker.close()
    assert log == ["playing on a clock instead of a speaker (no sound)"]
    recording = read_tape((tmp_path / "tape").read_bytes())
    np.testing.assert_array_equal(recording.samples[recording.samples > 0], sent)
