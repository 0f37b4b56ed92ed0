"""The ring between synthesis and output process."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from latent_resonance.voice.output.ring import Ring, wait_for_space

pytestmark = pytest.mark.realtime


@pytest.mark.parametrize("read_size", [64, 100, 441, 512, 700])
def test_the_ring_keeps_samples_in_order_for_any_block_size(read_size: int) -> None:
    ring, sent = Ring(1536), np.arange(512 * 40, dtype=np.float32)
    received, out, pushed = [], np.zeros(read_size, np.float32), 0
    while pushed < len(sent) or ring.space < ring.capacity:
        while pushed < len(sent) and ring.space >= 512:
            ring.push(sent[pushed : pushed + 512])
            pushed += 512
        n = ring.pull(out)
        received.append(out[:n].copy())
    assert np.array_equal(np.concatenate(received), sent)


def test_pull_returns_the_number_of_samples_read() -> None:
    ring, out = Ring(1024), np.ones(256, np.float32)
    assert ring.pull(out) == 0
    ring.push(np.full(100, 5.0, np.float32))
    assert ring.pull(out) == 100
    assert np.all(out[:100] == 5.0)
    assert np.all(out[100:] == 1.0)


def test_the_ring_holds_its_capacity_in_blocks_of_an_odd_size() -> None:
    ring = Ring(5000)
    while ring.space >= 469:
        ring.push(np.ones(469, np.float32))
    assert ring.available == 469 * (5000 // 469)


def test_a_writer_and_a_reader_on_two_threads_lose_no_sample() -> None:
    ring, stop = Ring(2048), threading.Event()
    sent = np.arange(512 * 200, dtype=np.float32)

    def write() -> None:
        for start in range(0, len(sent), 512):
            assert wait_for_space(ring, 512, 48_000_000, stop.is_set)
            ring.push(sent[start : start + 512])

    writer = threading.Thread(target=write)
    writer.start()
    received, count, out = [], 0, np.zeros(333, np.float32)
    while count < len(sent):
        n = ring.pull(out)
        received.append(out[:n].copy())
        count += n
    writer.join()
    assert np.array_equal(np.concatenate(received), sent)


def test_a_stopped_writer_does_not_wait_for_space() -> None:
    ring, stop = Ring(512), threading.Event()
    ring.push(np.zeros(512, np.float32))
    stop.set()
    assert not wait_for_space(ring, 512, 48_000, stop.is_set)
