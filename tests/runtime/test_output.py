"""The ring between synthesis and callback, and the speaker that may come and go."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from latent_resonance.voice.output import Ring, Speaker, feed


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


def test_without_a_speaker_time_is_kept_and_the_remedy_said_once() -> None:
    said: list[str] = []
    ring = Ring(4800)
    speaker = Speaker(ring, 48_000, "no such speaker anywhere", 0.03, said.append)
    speaker.look()
    for i in range(101):
        while ring.space >= 480:
            ring.push(np.zeros(480, np.float32))
        speaker.tend(100.0 + i * 0.01)
    assert ring.read == pytest.approx(48_000, abs=2)
    assert speaker.underflows == 0
    assert not speaker.playing
    assert len(said) == 1
    assert "playing on without a speaker" in said[0]


def test_a_ring_that_runs_dry_is_counted_as_an_underflow() -> None:
    ring = Ring(4800)
    speaker = Speaker(ring, 48_000, "no such speaker anywhere", 0.03, lambda _: None)
    speaker.tend(10.0)  # starts the clock
    speaker.tend(10.02)  # within the buffer that a device would have
    assert speaker.underflows == 0
    speaker.tend(10.05)
    assert speaker.underflows == 1
