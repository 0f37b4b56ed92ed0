"""Supervises the PortAudio process: starts it, monitors its callbacks, restarts it.

Runs on the voice's main thread and never blocks. In: the status lines of `portaudio_process.py`.
Without a speaker, a clock drains the ring at the sample rate, so that the instrument keeps
running in real time until a speaker is found.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from latent_resonance.voice.output.ring import Ring

OUTPUT_PROGRAM = (sys.executable, "-m", "latent_resonance.voice.output.portaudio_process")
CALLBACK_TIMEOUT_S = 1.0  # without a callback: the device is lost
OPEN_TIMEOUT_S = 6.0  # to find and open a device; a cold PulseAudio sink takes two
STEADY_AFTER_S = 3.0  # of callbacks; only then does CALLBACK_TIMEOUT_S apply
RESTART_DELAY_S = 0.2  # before the output process is started again
FAILED_RESTART_DELAY_S = 2.0  # if it exited without having found a device
EXIT_TIMEOUT_S = 0.2
NEVER_S = float("-inf")


class Speaker:
    """The output device, or a clock in its place while there is none.

    Call `poll` often, from one thread. The ring is always drained at `sample_rate`, the
    device's own rate: by the output process, or by the clock.

    Parameters
    ----------
    ring : the samples to play
    sample_rate : Hz, preferred; a device that refuses it gets its own rate
    device : part of a device's name; None is the default
    latency_s : seconds, requested from PortAudio
    on_open : called with the device's sample rate and number of channels before it starts to
        play; it restarts the ring
    program : command of the output process; its arguments are appended
    n_channels : to open a device with; one that has fewer gets as many as it has
    """

    def __init__(
        self,
        ring: Ring,
        sample_rate: int,
        device: str | None,
        latency_s: float,
        log: Callable[[str], None],
        on_open: Callable[[int, int], None] | None = None,
        program: tuple[str, ...] = OUTPUT_PROGRAM,
        n_channels: int = 2,
    ) -> None:
        self.ring, self.preferred_rate, self.sample_rate = ring, sample_rate, sample_rate
        self.device, self.latency_s, self.log = device, latency_s, log
        self.on_open = on_open or (lambda _rate, n_channels: ring.restart(n_channels))
        self.program, self.n_channels = program, n_channels
        self.name: str | None = None  # of the device that is playing
        self.has_played = self.lost = False  # lost: it had a device, which went by itself
        self.last_message: str | None = None
        self.skipped: list[str] = []  # devices that took no samples, as PortAudio names them
        self.process: subprocess.Popen[bytes] | None = None
        self.killed: list[subprocess.Popen[bytes]] = []  # not yet reaped
        self.next_start_s = NEVER_S
        self.partial_line = b""
        self.callbacks = 0
        self.opened_s = self.last_progress_s = NEVER_S
        self.ring_underflows, self.past_ring_underflows, self.clock_underflows = 0, 0, 0
        self.device_underflows, self.past_device_underflows = 0, 0
        self.silent_frames = 0  # of this process
        self.silent_s = 0.0  # for which the device got nothing, since it first played
        self.scratch = np.zeros(ring.max_samples, np.float32)
        self.clock_s: float | None = None  # time up to which the clock has drained the ring
        self.keep_all = False  # for a recording
        self.late = False  # whether the clock is behind by more than `latency_s`

    @property
    def playing(self) -> bool:
        """Whether a device is being fed."""
        return self.name is not None

    @property
    def underflows(self) -> int:
        """Times at which the speaker, or the clock in its place, had nothing to play."""
        return self.past_ring_underflows + self.ring_underflows + self.clock_underflows + self.xruns

    @property
    def xruns(self) -> int:
        """Underflows that the device reported: the output process was late, the ring not empty."""
        return self.past_device_underflows + self.device_underflows

    def late_at(self, time_s: float) -> bool:
        """Whether the clock in place of a device has yet to reach a time."""
        return self.late and self.clock_s is not None and self.clock_s < time_s

    def poll(self, now_s: float) -> None:
        """Start, check or restart the output process; without a speaker, drain the ring."""
        self.killed = [process for process in self.killed if process.poll() is None]
        if self.process is None:
            if now_s >= self.next_start_s:
                self._start(now_s)
        else:
            self._check_process(self.process, now_s)
        if not self.playing:
            self._drain_ring(now_s)

    def change(self, device: str | None, latency_s: float, n_channels: int, now_s: float) -> None:
        """Switch to another device, latency or number of channels."""
        changed = (device, latency_s, n_channels)
        if changed != (self.device, self.latency_s, self.n_channels):
            self.device, self.latency_s, self.n_channels = changed
            self.skipped = []
            self._restart(now_s, 0.0)

    def close(self) -> None:
        """Release the device."""
        if self.process is not None:
            _stdin(self.process).close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(EXIT_TIMEOUT_S)
            self._kill_process()

    def _start(self, now_s: float) -> None:
        command = [*self.program, str(self.ring.read_fd), self.device or ""]
        command += [str(self.preferred_rate), str(self.latency_s), str(self.n_channels)]
        command += self.skipped
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # ALSA is verbose; `none` lines report what matters
                pass_fds=[self.ring.read_fd],
            )
        except OSError as error:  # too little memory, too many processes
            self._log_once(f"the sound output cannot be started ({error}); trying again")
            self.next_start_s = now_s + FAILED_RESTART_DELAY_S
            return
        os.set_blocking(_stdout(self.process).fileno(), False)
        self.partial_line, self.callbacks, self.last_progress_s = b"", 0, now_s

    def _check_process(self, process: subprocess.Popen[bytes], now_s: float) -> None:
        """Read the process's status lines; restart it if it exited or stopped making progress."""
        for line in self._lines(process):
            self._handle(line, process, now_s)
        if self.process is not process:
            return
        code = process.poll()
        if code is not None:
            self._process_exited(code, now_s)
            return
        steady = self.playing and self.last_progress_s - self.opened_s > STEADY_AFTER_S
        timeout_s = CALLBACK_TIMEOUT_S if steady else OPEN_TIMEOUT_S
        if now_s - self.last_progress_s > timeout_s:
            self.silent_s += now_s - self.last_progress_s if self.playing else 0.0
            self._skip_if_useless()
            if self.playing:
                self._log_lost("the speaker does not answer")
            else:
                self._log_once("no speaker could be opened in time; trying again")
            self._restart(now_s, RESTART_DELAY_S)

    def _lines(self, process: subprocess.Popen[bytes]) -> Iterator[str]:
        try:
            data = os.read(_stdout(process).fileno(), 65536)
        except BlockingIOError:
            return
        *lines, self.partial_line = (self.partial_line + data).split(b"\n")
        for line in lines:
            yield line.decode(errors="replace")

    def _handle(self, line: str, process: subprocess.Popen[bytes], now_s: float) -> None:
        kind, _, rest = line.partition(" ")
        if kind == "none":
            self.last_progress_s, self.lost = now_s, self.has_played
            self._log_once(f"{rest}; playing on without a speaker and looking for one")
        elif kind == "found":
            self.last_progress_s = now_s
            rate, n_channels, name = rest.split(" ", 2)
            self.opened_s = now_s
            self._start_playback(process, int(rate), int(n_channels), name)
        elif kind == "better":
            self._log_once(f"{rest} is connected; changing to it")
            self._restart(now_s, 0.0)
        elif kind == "beat":
            callbacks, ring_underflows, device_underflows, silent_frames = map(int, rest.split())
            if callbacks != self.callbacks:
                self.callbacks, self.last_progress_s = callbacks, now_s
            self.ring_underflows, self.device_underflows = ring_underflows, device_underflows
            self.silent_s += (silent_frames - self.silent_frames) / self.sample_rate
            self.silent_frames = silent_frames

    def _start_playback(
        self, process: subprocess.Popen[bytes], sample_rate: int, n_channels: int, name: str
    ) -> None:
        """Hand the ring over to the opened device."""
        self.sample_rate = sample_rate
        self.on_open(sample_rate, n_channels)
        self.name, self.clock_s, self.late = name, None, False
        self.has_played, self.lost = True, False
        try:
            _stdin(process).write(b"play\n")
            _stdin(process).flush()
        except BrokenPipeError:
            return  # it has exited; the next poll notices
        converted = "" if sample_rate == self.preferred_rate else f", converted to {sample_rate} Hz"
        self._log_once(f"playing on {name}{converted}")

    def _process_exited(self, code: int, now_s: float) -> None:
        """Schedule a restart: soon if the process had a device, otherwise after a pause."""
        found = self.playing
        if found:
            self._skip_if_useless()
            self._log_lost("the speaker is gone")
        elif code != 0:
            cause = f"exit code {code}" if code > 0 else f"signal {-code}"
            self._log_once(f"the sound output has ended ({cause}); starting it again")
        self._restart(now_s, RESTART_DELAY_S if found or code == 0 else FAILED_RESTART_DELAY_S)

    def _skip_if_useless(self) -> None:
        """Leave a device that has hardly taken samples for the next; try it again after those."""
        if self.name is None or self.last_progress_s - self.opened_s > STEADY_AFTER_S:
            self.skipped = []
            return
        name = self.name.rpartition(" (")[0]  # without the host's
        self.skipped = [] if name in self.skipped else [*self.skipped, name]

    def _log_lost(self, reason: str) -> None:
        self.lost = True
        self._log_once(f"{reason}; playing on without it and looking for it")

    def _restart(self, now_s: float, delay_s: float) -> None:
        self._kill_process()
        self.next_start_s = now_s + delay_s

    def _kill_process(self) -> None:
        """Kill the output process without waiting: a driver may block it forever."""
        process, self.process, self.name = self.process, None, None
        self.past_ring_underflows += self.ring_underflows
        self.past_device_underflows += self.device_underflows
        self.ring_underflows = self.device_underflows = self.silent_frames = 0
        if process is not None:
            process.kill()
            _stdin(process).close()
            _stdout(process).close()
            self.killed.append(process)

    def _drain_ring(self, now_s: float) -> None:
        """Take from the ring what a speaker would have taken by now.

        A clock that is late skips what it has missed; with `keep_all` it catches up later.
        """
        if self.clock_s is None:
            if self.ring.empty:  # the clock starts with the first sample
                return
            self.clock_s = now_s
        target, n_channels = int((now_s - self.clock_s) * self.sample_rate), self.ring.n_channels
        longest = len(self.scratch) // n_channels
        taken = self.ring.pull(self.scratch[: min(target, longest) * n_channels])
        self.clock_s += taken / self.sample_rate
        was_late, self.late = self.late, now_s - self.clock_s > self.latency_s
        self.clock_underflows += self.late and not was_late
        if self.late and not self.keep_all:
            self.clock_s, self.late = now_s, False

    def _log_once(self, message: str) -> None:
        if message != self.last_message:
            self.last_message = message
            self.log(message)


def _stdin(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdin is not None  # started with a pipe
    return process.stdin


def _stdout(process: subprocess.Popen[bytes]) -> IO[bytes]:
    assert process.stdout is not None  # started with a pipe
    return process.stdout
