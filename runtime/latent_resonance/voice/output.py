"""From the synthesis thread to the room: a bounded ring, and a speaker that empties it.

The only module that imports sounddevice. PortAudio's callback only copies: it allocates,
locks, logs and waits for nothing. Without a speaker a silent clock empties the ring at
the same pace, so that the instrument keeps time until there is one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from latent_resonance import LatentResonanceError
from latent_resonance.spectrogram import FloatArray

if TYPE_CHECKING:  # importing it needs PortAudio
    from sounddevice import CallbackFlags

RETRY_S = 2.0
SILENCE_IS_DEATH_S = 1.0  # a stream whose callback rests for so long has lost its device


class OutputError(LatentResonanceError):
    """PortAudio or the wanted device is missing; the message has the remedy."""


class Ring:
    """Bounded queue of samples, one writer and one reader, no lock.

    Each side writes only its own counter, and a counter is moved after the samples are.
    """

    def __init__(self, capacity: int) -> None:
        self.samples = np.zeros(capacity, np.float32)
        self.capacity = capacity
        self.written = 0
        self.read = 0

    @property
    def space(self) -> int:
        """Samples that may be pushed."""
        return self.capacity - (self.written - self.read)

    @property
    def empty(self) -> bool:
        """Nothing is left to pull."""
        return self.written == self.read

    def push(self, block: FloatArray) -> None:
        """Appends a block; the writer has looked at `space` first."""
        place = self.written % self.capacity
        first = min(len(block), self.capacity - place)
        self.samples[place : place + first] = block[:first]
        self.samples[: len(block) - first] = block[first:]
        self.written += len(block)

    def pull(self, out: FloatArray) -> int:
        """Fills `out` as far as there are samples; returns how many."""
        n = min(len(out), self.written - self.read)
        place = self.read % self.capacity
        first = min(n, self.capacity - place)
        out[:first] = self.samples[place : place + first]
        out[first:n] = self.samples[: n - first]
        self.read += n
        return n


@dataclass(frozen=True)
class DeviceInfo:
    """One output device as PortAudio names it."""

    index: int
    name: str
    host_api: str
    channels: int
    default_sample_rate: float
    is_default: bool


def _portaudio() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:
        raise OutputError(
            "PortAudio is not installed, so no speaker can be reached: apt install libportaudio2"
        ) from error
    return sounddevice


def list_devices() -> list[DeviceInfo]:
    """Every device that can play.

    Raises
    ------
    OutputError
        PortAudio is missing.
    """
    sounddevice = _portaudio()
    default = sounddevice.default.device[1]
    hosts = sounddevice.query_hostapis()
    return [
        DeviceInfo(
            index=i,
            name=d["name"],
            host_api=hosts[d["hostapi"]]["name"],
            channels=d["max_output_channels"],
            default_sample_rate=d["default_samplerate"],
            is_default=i == default,
        )
        for i, d in enumerate(sounddevice.query_devices())
        if d["max_output_channels"] > 0
    ]


def choose_device(wanted: str | None) -> DeviceInfo:
    """The default device, or the first whose name contains `wanted`.

    Raises
    ------
    OutputError
        There is none; the message lists what there is.
    """
    devices = list_devices()
    if not devices:
        raise OutputError("no speaker found; connect one, or see `latent-resonance devices`")
    if wanted is None:
        return next((d for d in devices if d.is_default), devices[0])
    for device in devices:
        if wanted.lower() in device.name.lower() or wanted == str(device.index):
            return device
    names = ", ".join(repr(d.name) for d in devices)
    raise OutputError(f"no speaker named like {wanted!r}; there are {names}")


class Speaker:
    """Keeps a stream open on a device as long as there is one, and looks for it otherwise.

    `tend` is called often from one thread, `look` now and then from another, since PortAudio
    takes its time to list devices. Whoever listens, the ring is emptied at the pace of the
    sample rate: by PortAudio's callback, or by the silent clock.
    """

    def __init__(
        self,
        ring: Ring,
        sample_rate: int,
        device: str | None,
        latency_s: float,
        say: Callable[[str], None],
    ) -> None:
        self.ring, self.sample_rate = ring, sample_rate
        self.device, self.latency_s, self.say = device, latency_s, say
        self.underflows = 0
        self.stream: Any = None
        self.found: tuple[DeviceInfo, Any] | None = None  # from `look` to `tend`
        self.beats = 0
        self.beats_seen = 0
        self.beat_seen_s = 0.0
        self.said: str | None = None
        self.scratch = np.zeros(ring.capacity, np.float32)
        self.clock_s: float | None = None  # up to when the silent clock has emptied the ring

    @property
    def playing(self) -> bool:
        """Whether a device is being fed."""
        return self.stream is not None

    def look(self) -> None:
        """Looks for the device, unless one is there."""
        if self.playing or self.found is not None:
            return
        try:
            self.found = self._find()
        except OutputError as error:
            self._say_once(f"{error}; playing on without a speaker and looking for one")

    def tend(self, now_s: float) -> None:
        """Starts or watches the stream; without one, keeps the time."""
        if self.stream is not None:
            self._watch(now_s)
        elif self.found is not None:
            self._begin(now_s)
        else:
            self._keep_time(now_s)

    def close(self) -> None:
        """Lets go of the device."""
        stream, self.stream = self.stream, None
        if stream is not None:
            stream.abort(ignore_errors=True)
            stream.close(ignore_errors=True)

    def _callback(
        self, outdata: FloatArray, frames: int, _time: object, status: CallbackFlags
    ) -> None:
        self.beats += 1
        mono = outdata[:, 0]
        n = self.ring.pull(mono)
        if n < frames or status.output_underflow:
            self.underflows += 1
            mono[n:] = 0.0
        outdata[:, 1:] = outdata[:, :1]

    def _find(self) -> tuple[DeviceInfo, Any]:
        sounddevice = _portaudio()
        if self.said is not None:  # PortAudio lists the devices once, when it starts
            # and sounddevice offers no public way to have it look again
            sounddevice._terminate()  # noqa: SLF001 - see above
            sounddevice._initialize()  # noqa: SLF001 - see above
        device = choose_device(self.device)
        try:
            stream = sounddevice.OutputStream(
                samplerate=self.sample_rate,
                device=device.index,
                channels=min(2, device.channels),
                dtype="float32",
                latency=self.latency_s,
                callback=self._callback,
            )
        except sounddevice.PortAudioError as error:
            raise OutputError(f"{device.name} cannot be opened ({error})") from error
        return device, stream

    def _begin(self, now_s: float) -> None:
        device, self.stream = self.found
        self.found = None
        try:
            self.stream.start()
        except _portaudio().PortAudioError as error:
            self.close()
            self._say_once(f"{device.name} cannot be started ({error}); looking for a speaker")
            return
        self.clock_s, self.beat_seen_s, self.beats_seen = None, now_s, self.beats
        self._say_once(f"playing on {device.name} ({device.host_api})")

    def _watch(self, now_s: float) -> None:
        if self.beats != self.beats_seen:
            self.beats_seen, self.beat_seen_s = self.beats, now_s
        if self.stream.active and now_s - self.beat_seen_s < SILENCE_IS_DEATH_S:
            return
        self.close()
        self._say_once("the speaker is gone; playing on without it and looking for it")

    def _keep_time(self, now_s: float) -> None:
        """Takes from the ring what a speaker with a buffer of `latency_s` would have taken."""
        if self.clock_s is None:
            self.clock_s = now_s
        wanted = int((now_s - self.clock_s) * self.sample_rate)
        taken = self.ring.pull(self.scratch[: min(wanted, len(self.scratch))])
        self.clock_s += taken / self.sample_rate
        if now_s - self.clock_s > self.latency_s:
            self.underflows += 1
            self.clock_s = now_s

    def _say_once(self, sentence: str) -> None:
        if sentence != self.said:
            self.said = sentence
            self.say(sentence)


def feed(ring: Ring, block: FloatArray, sample_rate: int, stop: threading.Event) -> bool:
    """Pushes a block as soon as there is space; False if told to stop before."""
    while ring.space < len(block):
        if stop.is_set():
            return False
        time.sleep((len(block) - ring.space) / sample_rate + 5e-4)
    ring.push(block)
    return True
