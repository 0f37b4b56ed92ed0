"""The output process of the bench: `portaudio_process.py` with a tape of what is heard, and when.

    python -m latent_resonance.bench.tape TAPE RING WANTED RATE LATENCY

When a block is heard is what PortAudio says of it (PaStreamCallbackTimeInfo), which asks the
driver how much is still before it. Where there is no speaker a clock takes the samples as a
sound card would. The tape holds, again and again: when the first sample of a block is heard
(int64, ns of CLOCK_MONOTONIC), how many there are (int64), and they themselves (float32).
"""

from __future__ import annotations

import os
import struct
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

from latent_resonance.voice.output import portaudio_process
from latent_resonance.voice.output.portaudio_process import (
    DeviceInfo,
    Feed,
    OutputError,
    choose_device,
)

HEAD = struct.Struct("qq")
BLOCKS = 4  # together the latency asked for: what PortAudio keeps ready while it fills a fifth
CLOCK = DeviceInfo(-1, "a clock, for want of a speaker", "no sound", 1, 0.0, is_default=False)
NS = 1_000_000_000


class Taped(Feed):
    """A feed that keeps what it plays."""

    def __init__(
        self, tape: int, ring: int, device: DeviceInfo, sample_rate: int, latency_s: float
    ) -> None:
        self.tape = tape
        super().__init__(ring, device, sample_rate, latency_s)
        self.agreed_s = self.stream.latency

    def fill(self, outdata: Any, frames: int, times: Any, status: Any) -> None:  # noqa: ANN401  PortAudio's
        """PortAudio's callback."""
        ahead_s = times.outputBufferDacTime - times.currentTime
        # Some of PortAudio's hosts leave it 0; then what was agreed when the device was opened.
        heard_ns = time.monotonic_ns() + round(NS * (ahead_s if ahead_s > 0 else self.agreed_s))
        super().fill(outdata, frames, times, status)
        os.writev(self.tape, [HEAD.pack(heard_ns, frames), self.mono[:frames]])


class TapedByClock(Taped):
    """The same where there is no speaker."""

    def open(self, device: DeviceInfo, target: int, latency_s: float) -> tuple[Any, int]:
        """A clock instead of a stream."""
        return Clock(target, latency_s, device.channels, self.fill), target


class Clock:
    """Takes samples at the pace of a sound card, and plays them to nobody.

    Parameters
    ----------
    sample_rate : Hz
    latency_s : what is ready when a block is asked for
    callback : as PortAudio's
    """

    def __init__(
        self, sample_rate: int, latency_s: float, channels: int, callback: Callable[..., None]
    ) -> None:
        self.frames = max(round(latency_s * sample_rate / BLOCKS), 1)
        self.block_s = self.frames / sample_rate
        self.callback, self.out = callback, bytearray(4 * channels * self.frames)
        self.latency = latency_s
        self.active = False

    def start(self) -> None:
        """Begins, on a thread of its own."""
        self.active = True
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def _run(self) -> None:
        due_s = time.monotonic()
        while True:
            late_s = time.monotonic() - due_s
            dry = late_s > BLOCKS * self.block_s  # all that was ready has been played
            if dry:
                due_s += late_s
            elif late_s < 0:
                time.sleep(-late_s)
            self._take(due_s, dry=dry)
            due_s += self.block_s

    def _take(self, due_s: float, *, dry: bool) -> None:
        """The block that is heard after those which were ready at `due_s`."""
        heard_s = due_s + BLOCKS * self.block_s
        times = SimpleNamespace(currentTime=time.monotonic(), outputBufferDacTime=heard_s)
        status = SimpleNamespace(output_underflow=dry)
        self.callback(self.out, self.frames, times, status)


def look(tape: int, target: str | None, ring: int, sample_rate: int, latency_s: float) -> Feed:
    """The speaker that can be opened now, or a clock."""
    try:
        device = choose_device(target)
        feed: Feed = Taped(tape, ring, device, sample_rate, latency_s)
    except OutputError:
        device, feed = CLOCK, TapedByClock(tape, ring, CLOCK, sample_rate, latency_s)
    portaudio_process.tell(f"found {feed.sample_rate} {device.name} ({device.host_api})")
    return feed


def main(path: str, *arguments: str) -> None:
    """The output process, taped."""
    tape = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    portaudio_process.main(*arguments, look=partial(look, tape))


if __name__ == "__main__":
    main(*sys.argv[1:])
