"""Who listens in the room: every hundredth of a second at the sink's monitor.

A thread of its own, for whoever injects faults has no time. It is deaf while there is no sink; that
is neither sound nor silence.
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
from tests.system.soaking.processes import comes_first

RATE = 48_000
BLOCK = 480  # samples, a hundredth of a second
BLOCK_S = BLOCK / RATE
SILENT = 1e-4  # RMS: −80 dBFS
ABRUPT = 1e-2  # what is this loud until a silence begins is cut off, and does not fade away
MEMORY_S = 10.0
PRIORITY = 15  # or a busy machine would be heard as one that falls silent
RETRY_S = 0.3
SHORTEST_S = 0.02  # of a silence that is worth a note
HIGH_HZ = 3000.0  # a closed mouth lets nothing through up here
WINDOW = np.hanning(BLOCK).astype(np.float32)
BRIGHTER_DB, HEARD_WITHIN_S, BEFORE_S = 10.0, 0.6, 0.5  # of a mouth that opens


@dataclass
class Silence:
    """When it began and how long it lasts, in seconds, and whether a sound was cut off by it."""

    at_s: float
    abrupt: bool
    lasts_s: float = BLOCK_S


Block = tuple[float, float, float]  # when it was heard, RMS, what is high in it (dB)


class Ear:
    """What is heard at a sink: loudness, brightness, and every silence."""

    def __init__(self, environment: dict[str, str], sink: str = "spk") -> None:
        command = ["parec", "-d", f"{sink}.monitor", f"--rate={RATE}", "--channels=1"]
        self.command = [*command, "--format=float32le", "--latency-msec=20", "--raw"]
        self.environment = environment
        self.blocks: deque[Block] = deque(maxlen=round(MEMORY_S / BLOCK_S))
        self.silences: deque[Silence] = deque(maxlen=1000)
        self.silence: Silence | None = None  # that goes on
        self.heard_s = 0.0  # seconds of the room that were heard, silent or not
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._listen, name="ear")
        self.thread.start()

    def close(self) -> None:
        """Listens no more."""
        self.stop.set()
        self.thread.join()

    def hears_something(self, now_s: float) -> bool:
        """Whether the last tenth of a second was heard, and not silent."""
        last = [block for block in list(self.blocks)[-10:] if block[0] > now_s - 0.5]
        return len(last) == 10 and all(block[1] > SILENT for block in last)

    def level_db(self) -> float | None:
        """RMS of the last second in dBFS; None if nothing was heard."""
        last = [block[1] ** 2 for block in list(self.blocks)[-100:]]
        return round(float(10 * np.log10(np.mean(last) + 1e-12)), 1) if last else None

    def brightens_after(self, gesture_s: float) -> float | None:
        """Seconds from a gesture until the sound is brighter than it was before.

        Infinite if it is not; None if nothing can be said.
        """
        blocks = [block for block in list(self.blocks) if block[1] > SILENT]
        before = [high for at, _, high in blocks if gesture_s - BEFORE_S < at < gesture_s]
        after = [(at, high) for at, _, high in blocks if 0 <= at - gesture_s < HEARD_WITHIN_S]
        if len(before) < 40:
            return None
        enough = max(before) + BRIGHTER_DB
        for (at, *first), second, third in zip(after, after[1:], after[2:], strict=False):
            if min(*first, second[1], third[1]) > enough:
                return at - gesture_s
        return math.inf

    def _listen(self) -> None:
        while not self.stop.is_set():
            with subprocess.Popen(
                self.command,
                env=self.environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as recorder:
                comes_first(recorder.pid, PRIORITY)
                self._hear(recorder)
                recorder.kill()
            self._end_silence()
            self.stop.wait(RETRY_S)

    def _hear(self, recorder: subprocess.Popen[bytes]) -> None:
        pipe, rest = recorder.stdout.fileno(), b""
        while not self.stop.is_set():
            if not select.select([pipe], [], [], 0.3)[0]:
                self._end_silence()  # deaf: the server does not answer
                continue
            data = os.read(pipe, 1 << 16)
            if not data:
                return
            rest = self._note(rest + data, time.monotonic())

    def _note(self, data: bytes, now_s: float) -> bytes:
        """Takes notes of every whole block; returns what is left over."""
        whole = len(data) // (4 * BLOCK)
        sound = np.frombuffer(data[: whole * 4 * BLOCK], np.float32).reshape(whole, BLOCK)
        for i, (rms, high) in enumerate(zip(*measures(sound), strict=True)):
            at_s = now_s - (whole - 1 - i) * BLOCK_S
            self._note_silence(at_s, float(rms))
            self.blocks.append((at_s, float(rms), float(high)))
            self.heard_s += BLOCK_S
        return data[whole * 4 * BLOCK :]

    def _note_silence(self, at_s: float, rms: float) -> None:
        if rms > SILENT:
            self._end_silence()
        elif self.silence is None:
            before = max((block[1] for block in list(self.blocks)[-3:]), default=0.0)
            self.silence = Silence(at_s, abrupt=before > ABRUPT)
        else:
            self.silence.lasts_s += BLOCK_S

    def _end_silence(self) -> None:
        if self.silence is not None and self.silence.lasts_s >= SHORTEST_S:
            self.silences.append(self.silence)
        self.silence = None


def measures(sound: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """RMS, and what is above HIGH_HZ in dB, of each block of (n, BLOCK) samples."""
    rms = np.sqrt(np.mean(np.square(sound), axis=1))
    high = np.abs(np.fft.rfft(sound * WINDOW, axis=1))[:, round(HIGH_HZ * BLOCK_S) :]
    return rms, 10 * np.log10(np.sum(np.square(high), axis=1) + 1e-12)
