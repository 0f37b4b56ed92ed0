"""Keeps a speaker: starts the output process, listens to its heart, and replaces it.

Lives on the voice's main thread; nothing here waits. In: the lines of `output.py`. Without a
speaker a silent clock empties the ring at the same pace, so that the instrument keeps time
until there is one.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np

from latent_resonance.voice.output.ring import Ring

OUTPUT = (sys.executable, "-m", "latent_resonance.voice.output.portaudio_process")
SILENCE_IS_DEATH_S = 1.0  # callbacks that rest for so long have lost their device
OPENING_S = 6.0  # in which a device is found and opened; a cold PulseAudio sink rests for two
STEADY_S = 3.0  # of callbacks, after which they may be trusted
PAUSE_S = 0.2  # before the output process is started again
FAILED_PAUSE_S = 2.0  # when it ended without ever finding a device
LEAVING_S = 0.2
UNKNOWN_S = float("-inf")


class Speaker:
    """A speaker as long as there is one.

    `tend` is called often from one thread. Whoever listens, the ring is emptied at the pace of
    `sample_rate`, the device's own: by the output process, or by the silent clock.

    Parameters
    ----------
    ring : what is to be heard
    sample_rate : Hz, of the ring as long as no device refuses it
    device : part of a device's name; None is the default
    latency_s : seconds asked of PortAudio
    on_begin : told the sample rate of the ring from now on, before a device plays
    program : the output process, to which its four arguments are added
    """

    def __init__(
        self,
        ring: Ring,
        sample_rate: int,
        device: str | None,
        latency_s: float,
        log: Callable[[str], None],
        on_begin: Callable[[int], None] = lambda _rate: None,
        program: tuple[str, ...] = OUTPUT,
    ) -> None:
        self.ring, self.wanted_rate, self.sample_rate = ring, sample_rate, sample_rate
        self.device, self.latency_s, self.log = device, latency_s, log
        self.on_begin = on_begin
        self.program = program
        self.name: str | None = None  # of the device that plays
        self.said: str | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.gone: list[subprocess.Popen[bytes]] = []  # killed, and not yet reaped
        self.next_start_s = UNKNOWN_S
        self.rest = b""  # of a line not yet whole
        self.beats = 0
        self.begun_s = self.heard_s = UNKNOWN_S
        self.dry, self.dry_before, self.dry_silent = 0, 0, 0
        self.late, self.late_before = 0, 0
        self.scratch = np.zeros(ring.capacity, np.float32)
        self.clock_s: float | None = None  # up to when the silent clock has emptied the ring

    @property
    def playing(self) -> bool:
        """Whether a device is being fed."""
        return self.name is not None

    @property
    def underflows(self) -> int:
        """Moments in which a speaker, or the clock in its stead, had nothing to play."""
        return self.dry_before + self.dry + self.dry_silent + self.xruns

    @property
    def xruns(self) -> int:
        """Of them, those of the device itself: the output process was late, not the ring empty."""
        return self.late_before + self.late

    def poll(self, now_s: float) -> None:
        """Starts, hears or replaces the output process; without a speaker, keeps the time."""
        self.gone = [process for process in self.gone if process.poll() is None]
        if self.process is None:
            if now_s >= self.next_start_s:
                self._start(now_s)
        else:
            self._listen(now_s)
        if not self.playing:
            self._keep_time(now_s)

    def change(self, device: str | None, latency_s: float, now_s: float) -> None:
        """Another device or latency, from now on."""
        if (device, latency_s) != (self.device, self.latency_s):
            self.device, self.latency_s = device, latency_s
            self._replace(now_s, 0.0)

    def close(self) -> None:
        """Lets go of the device."""
        if self.process is not None:
            self.process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(LEAVING_S)
            self._let_go()

    def _start(self, now_s: float) -> None:
        command = [*self.program, str(self.ring.reading), self.device or ""]
        command += [str(self.wanted_rate), str(self.latency_s)]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # ALSA talks much there, and `none` says what matters
                pass_fds=[self.ring.reading],
            )
        except OSError as error:  # too little memory, too many processes
            self._say_once(f"the sound output cannot be started ({error}); trying again")
            self.next_start_s = now_s + FAILED_PAUSE_S
            return
        os.set_blocking(self.process.stdout.fileno(), False)
        self.rest, self.beats, self.heard_s = b"", 0, now_s

    def _listen(self, now_s: float) -> None:
        """Takes what the output process says; notices when it says too little."""
        for line in self._lines():
            self._understand(line, now_s)
        if self.process.poll() is not None:
            self._ended(now_s)
            return
        steady = self.playing and self.heard_s - self.begun_s > STEADY_S
        patience_s = SILENCE_IS_DEATH_S if steady else OPENING_S
        if now_s - self.heard_s > patience_s:
            self._lose("the speaker does not answer")
            self._replace(now_s, PAUSE_S)

    def _lines(self) -> Iterator[str]:
        try:
            data = os.read(self.process.stdout.fileno(), 65536)
        except BlockingIOError:
            return
        *whole, self.rest = (self.rest + data).split(b"\n")
        for line in whole:
            yield line.decode(errors="replace")

    def _understand(self, line: str, now_s: float) -> None:
        what, _, rest = line.partition(" ")
        if what == "none":
            self.heard_s = now_s
            self._say_once(f"{rest}; playing on without a speaker and looking for one")
        elif what == "found":
            self.heard_s = now_s
            rate, _, name = rest.partition(" ")
            self.begun_s = now_s
            self._begin(int(rate), name)
        elif what == "beat":
            beats, dry, late = (int(number) for number in rest.split())
            if beats != self.beats:
                self.beats, self.heard_s = beats, now_s
            self.dry, self.late = dry, late

    def _begin(self, sample_rate: int, name: str) -> None:
        """Hands the ring over to a device that has been opened."""
        self.sample_rate = sample_rate
        self.on_begin(sample_rate)
        while self.ring.pull(self.scratch):  # what is stale, or of another rate
            pass
        self.name, self.clock_s = name, None
        try:
            self.process.stdin.write(b"play\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return  # it has ended: heard of at the next look
        converted = "" if sample_rate == self.wanted_rate else f", converted to {sample_rate} Hz"
        self._say_once(f"playing on {name}{converted}")

    def _ended(self, now_s: float) -> None:
        """The output process has left: at once if it had a device, else after a while."""
        code, found = self.process.returncode, self.playing
        if found:
            self._lose("the speaker is gone")
        elif code != 0:
            cause = f"exit code {code}" if code > 0 else f"signal {-code}"
            self._say_once(f"the sound output has ended ({cause}); starting it again")
        self._replace(now_s, PAUSE_S if found or code == 0 else FAILED_PAUSE_S)

    def _lose(self, what: str) -> None:
        self._say_once(f"{what}; playing on without it and looking for it")

    def _replace(self, now_s: float, pause_s: float) -> None:
        self._let_go()
        self.next_start_s = now_s + pause_s

    def _let_go(self) -> None:
        """Kills the output process and does not wait: a driver may hold it for ever."""
        process, self.process, self.name = self.process, None, None
        self.dry_before, self.dry = self.dry_before + self.dry, 0
        self.late_before, self.late = self.late_before + self.late, 0
        if process is not None:
            process.kill()
            process.stdin.close()
            process.stdout.close()
            self.gone.append(process)

    def _keep_time(self, now_s: float) -> None:
        """Takes from the ring what a speaker with a buffer of `latency_s` would have taken."""
        if self.clock_s is None:
            if self.ring.empty:  # the clock starts with the first sample
                return
            self.clock_s = now_s
        target = int((now_s - self.clock_s) * self.sample_rate)
        taken = self.ring.pull(self.scratch[: min(target, len(self.scratch))])
        self.clock_s += taken / self.sample_rate
        if now_s - self.clock_s > self.latency_s:
            self.dry_silent += 1
            self.clock_s = now_s

    def _say_once(self, sentence: str) -> None:
        if sentence != self.said:
            self.said = sentence
            self.log(sentence)
