"""The output process of the bench: `portaudio_process.py` that also records its output on a tape.

    python -m latent_resonance.bench.tape TAPE RING DEVICE RATE LATENCY CHANNELS

The output time of a block is PortAudio's (PaStreamCallbackTimeInfo), which includes the samples
that the driver has queued. Without a loudspeaker a clock consumes the samples as a sound card
would. The tape is a sequence of blocks: output time of the first sample (int64, ns of
CLOCK_MONOTONIC), number of samples (int64), samples of the first channel (float32).
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
from latent_resonance.voice.output.device_order import DeviceInfo, OutputError
from latent_resonance.voice.output.portaudio_process import OutputStream, choose_device

HEAD = struct.Struct("qq")
BLOCKS = 4  # that make up the requested latency; PortAudio queues them while it fills a fifth
CLOCK = DeviceInfo(-1, "a clock instead of a speaker", "no sound", 1, 0.0, is_default=False)
NS = 1_000_000_000


class TapedStream(OutputStream):
    """An output stream that writes what it plays to a tape (a file descriptor)."""

    def __init__(
        self,
        tape: int,
        ring: int,
        device: DeviceInfo,
        sample_rate: int,
        latency_s: float,
        channels: int,
    ) -> None:
        self.tape = tape
        super().__init__(ring, device, sample_rate, latency_s, channels)
        self.stream_latency_s = self.stream.latency

    def fill(self, outdata: Any, frames: int, times: Any, status: Any) -> None:  # noqa: ANN401  PortAudio's
        """PortAudio's callback."""
        ahead_s = times.outputBufferDacTime - times.currentTime
        if ahead_s <= 0:  # some of PortAudio's host APIs leave the times at 0
            ahead_s = self.stream_latency_s
        output_ns = time.monotonic_ns() + round(NS * ahead_s)
        super().fill(outdata, frames, times, status)
        first = memoryview(outdata).cast("f")[:: self.channels]
        os.writev(self.tape, [HEAD.pack(output_ns, frames), first.tobytes()])


class TapedClockStream(TapedStream):
    """The same without a loudspeaker."""

    def open(self, _device: DeviceInfo, target: int, latency_s: float) -> tuple[Any, int]:
        """A clock instead of a stream."""
        return ClockStream(target, latency_s, self.channels, self.fill), target


class ClockStream:
    """Replaces a PortAudio stream: consumes samples at a sound card's rate and discards them.

    Parameters
    ----------
    sample_rate : Hz
    latency_s : duration of the queued samples when a block is requested
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
        """Start a thread that calls the callback."""
        self.active = True
        threading.Thread(target=self._run, name="clock", daemon=True).start()

    def _run(self) -> None:
        due_s = time.monotonic()
        while True:
            late_s = time.monotonic() - due_s
            underflow = late_s > BLOCKS * self.block_s  # all queued samples have been played
            if underflow:
                due_s += late_s
            elif late_s < 0:
                time.sleep(-late_s)
            self._request_block(due_s, underflow=underflow)
            due_s += self.block_s

    def _request_block(self, due_s: float, *, underflow: bool) -> None:
        """Request the block that follows those queued at `due_s`."""
        output_s = due_s + BLOCKS * self.block_s
        times = SimpleNamespace(currentTime=time.monotonic(), outputBufferDacTime=output_s)
        status = SimpleNamespace(output_underflow=underflow)
        self.callback(self.out, self.frames, times, status)


def open_device(
    tape: int,
    target: str | None,
    ring: int,
    sample_rate: int,
    latency_s: float,
    channels: int,
    _skipped: tuple[str, ...],
) -> OutputStream:
    """Open the output device, or a clock if there is none."""
    try:
        device = choose_device(target)
        output: OutputStream = TapedStream(tape, ring, device, sample_rate, latency_s, channels)
    except OutputError:
        device = CLOCK
        output = TapedClockStream(tape, ring, CLOCK, sample_rate, latency_s, channels)
    portaudio_process.report_found(output, device)
    return output


def main(path: str, *arguments: str) -> None:
    """Run the output process and record it on a tape."""
    tape = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    portaudio_process.main(*arguments, open_device=partial(open_device, tape))


if __name__ == "__main__":
    main(*sys.argv[1:])
