"""Records the level of the sound every 10 ms at the sink's monitor.

It runs in a thread of its own, since injecting faults blocks. While there is no sink it records
nothing, neither sound nor silence.
"""

from __future__ import annotations

import math
import os
import select
import subprocess
import threading
import time
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tests.system.soaking.processes import raise_priority

RATE = 48_000
BLOCK = 480  # samples, 10 ms
BLOCK_S = BLOCK / RATE
SILENCE_RMS = 1e-4  # RMS: −80 dBFS
ABRUPT_RMS = 1e-2  # a sound this loud just before a silence was cut off and did not fade out
HISTORY_S = 10.0
PRIORITY = 15  # real-time, or a busy machine would look like a silent one
RETRY_S = 0.3
SHORTEST_S = 0.02  # of a silence that is logged
HIGH_HZ = 3000.0  # the filter of a closed mouth passes nothing above
WINDOW = np.hanning(BLOCK).astype(np.float32)
BRIGHTER_DB, ONSET_WITHIN_S, BASELINE_S = 10.0, 0.6, 0.5  # of a mouth that opens


@dataclass
class Silence:
    """Start and duration of a silence in seconds, and whether it cut off a sound."""

    at_s: float
    abrupt: bool
    lasts_s: float = BLOCK_S


Block = tuple[float, float, float]  # time, RMS, level above HIGH_HZ (dB)


class SinkRecorder:
    """Loudness, brightness and silences of a sink."""

    def __init__(self, environment: dict[str, str], sink: str = "spk") -> None:
        command = ["parec", "-d", f"{sink}.monitor", f"--rate={RATE}", "--channels=1"]
        self.command = [*command, "--format=float32le", "--latency-msec=20", "--raw"]
        self.environment = environment
        self.blocks: deque[Block] = deque(maxlen=round(HISTORY_S / BLOCK_S))
        self.silences: deque[Silence] = deque(maxlen=1000)
        self.silence: Silence | None = None  # the current one
        self.recorded_s = 0.0  # recorded so far, silent or not
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, name="ear")
        self.thread.start()

    def close(self) -> None:
        """Stop the thread."""
        self.stop.set()
        self.thread.join()

    def is_audible(self, now_s: float) -> bool:
        """Whether the last 100 ms were recorded and are not silent."""
        last = [block for block in list(self.blocks)[-10:] if block[0] > now_s - 0.5]
        return len(last) == 10 and all(block[1] > SILENCE_RMS for block in last)

    def level_db(self) -> float | None:
        """RMS of the last second in dBFS; None if nothing was recorded."""
        last = [block[1] ** 2 for block in list(self.blocks)[-100:]]
        return round(float(10 * np.log10(np.mean(last) + 1e-12)), 1) if last else None

    def onset_after(self, gesture_s: float) -> float | None:
        """Seconds from a gesture until the sound is brighter than before.

        Infinite if it does not become brighter; None if too little was recorded.
        """
        blocks = [block for block in list(self.blocks) if block[1] > SILENCE_RMS]
        before = [high for at, _, high in blocks if gesture_s - BASELINE_S < at < gesture_s]
        after = [(at, high) for at, _, high in blocks if 0 <= at - gesture_s < ONSET_WITHIN_S]
        if len(before) < 40:
            return None
        threshold_db = max(before) + BRIGHTER_DB
        for (at, *first), second, third in zip(after, after[1:], after[2:], strict=False):
            if min(*first, second[1], third[1]) > threshold_db:
                return at - gesture_s
        return math.inf

    def _run(self) -> None:
        while not self.stop.is_set():
            with subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as recorder:
                raise_priority(recorder.pid, PRIORITY)
                self._record(recorder)
                recorder.kill()
            self._end_silence()
            self.stop.wait(RETRY_S)

    def _record(self, recorder: subprocess.Popen[bytes]) -> None:
        pipe, remainder = recorder.stdout.fileno(), b""
        while not self.stop.is_set():
            if not select.select([pipe], [], [], 0.3)[0]:
                self._end_silence()  # the server does not respond
                continue
            data = os.read(pipe, 1 << 16)
            if not data:
                return
            remainder = self._add_blocks(remainder + data, time.monotonic())

    def _add_blocks(self, data: bytes, now_s: float) -> bytes:
        """Add every whole block; return the remaining bytes."""
        whole = len(data) // (4 * BLOCK)
        sound = np.frombuffer(data[: whole * 4 * BLOCK], np.float32).reshape(whole, BLOCK)
        for i, (rms, high) in enumerate(zip(*measures(sound), strict=True)):
            at_s = now_s - (whole - 1 - i) * BLOCK_S
            self._update_silence(at_s, float(rms))
            self.blocks.append((at_s, float(rms), float(high)))
            self.recorded_s += BLOCK_S
        return data[whole * 4 * BLOCK :]

    def _update_silence(self, at_s: float, rms: float) -> None:
        if rms > SILENCE_RMS:
            self._end_silence()
        elif self.silence is None:
            before = max((block[1] for block in list(self.blocks)[-3:]), default=0.0)
            self.silence = Silence(at_s, abrupt=before > ABRUPT_RMS)
        else:
            self.silence.lasts_s += BLOCK_S

    def _end_silence(self) -> None:
        if self.silence is not None and self.silence.lasts_s >= SHORTEST_S:
            self.silences.append(self.silence)
        self.silence = None


def measures(sound: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """RMS, and level above HIGH_HZ in dB, of each block of (n, BLOCK) samples."""
    rms = np.sqrt(np.mean(np.square(sound), axis=1))
    high = np.abs(np.fft.rfft(sound * WINDOW, axis=1))[:, round(HIGH_HZ * BLOCK_S) :]
    return rms, 10 * np.log10(np.sum(np.square(high), axis=1) + 1e-12)
