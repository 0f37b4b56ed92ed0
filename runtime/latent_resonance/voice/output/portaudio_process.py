"""From the ring to the room: the output process, which can be killed and replaced.

The only module that imports sounddevice. PortAudio and what lies below it may hang, spin,
crash, or list for ever the devices that were there when it started. So it runs in a process
of its own, on a pipe of samples:

    python -m latent_resonance.voice.output.portaudio_process RING WANTED RATE LATENCY

`RING` is the pipe's file descriptor, `WANTED` part of a device's name (empty: the default).
It tells `speaker.py` on standard output, a line each:

    none SENTENCE        no device; it goes on looking
    found RATE NAME      a device is open at RATE Hz; it waits for a line on standard input
    beat BEATS DRY XRUNS callbacks so far, those that found too little, and those too late for ALSA

and ends when the stream does or standard input closes. The callback only copies. No numpy:
a replacement should be there at once.
"""

from __future__ import annotations

import array
import os
import re
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from latent_resonance import LatentResonanceError
from latent_resonance.linux.realtime import OUTPUT, die_with_the_parent, hurry, stay_in_memory

if TYPE_CHECKING:  # importing it needs PortAudio
    from sounddevice import CallbackFlags

RETRY_S = 0.7
LOOKS = 500  # then a fresh process looks on: whatever a library leaks in a night goes with this
BEAT_S = 0.1
LEAD_IN_S = 0.1  # of silence: a device fills its own buffer faster than a ring is filled
LARGEST_BLOCK = 1 << 16  # frames, more than a second of any device
CARD_NUMBER = re.compile(r"\s*\(hw:\d+(,\d+)*\)")


class OutputError(LatentResonanceError):
    """PortAudio or the wanted device is missing; the message has the remedy."""


@dataclass(frozen=True)
class DeviceInfo:
    """One output device as PortAudio names it."""

    index: int
    name: str
    host_api: str
    channels: int
    default_sample_rate: float
    is_default: bool

    @property
    def card(self) -> str:
        """The name without the card's number, which another start may change."""
        return CARD_NUMBER.sub("", self.name)


def _portaudio() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:
        raise OutputError(
            "PortAudio is not installed, so no speaker can be reached: apt install libportaudio2"
        ) from error
    return sounddevice


def _look_again(sounddevice: ModuleType) -> None:
    """PortAudio lists devices once, when it starts; sounddevice has no public way to restart it."""
    try:
        sounddevice._terminate()  # noqa: SLF001 - see above
        sounddevice._initialize()  # noqa: SLF001 - see above
    except sounddevice.PortAudioError as error:
        raise OutputError(f"PortAudio cannot be started ({error})") from error


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


def choose_device(target: str | None) -> DeviceInfo:
    """The default device, or the first whose name contains `wanted`.

    Raises
    ------
    OutputError
        There is none; the message lists what there is.
    """
    return device_named(target, list_devices())


def device_named(target: str | None, devices: list[DeviceInfo]) -> DeviceInfo:
    """The default of these devices, or the first whose name contains `wanted`.

    The number of a card is no part of its name, for it changes with the order in which cards
    are found.

    Raises
    ------
    OutputError
        There is none; the message lists what there is.
    """
    if not devices:
        raise OutputError("no speaker found; connect one, or see `latent-resonance devices`")
    if target is None:
        return next((d for d in devices if d.is_default), devices[0])
    for device in devices:
        if target.lower() in device.card.lower():
            return device
    names = ", ".join(repr(d.card) for d in devices)
    raise OutputError(f"no speaker named like {target!r}; there are {names}")


class Feed:
    """One stream on one device, fed from the pipe by PortAudio's callback.

    Raises
    ------
    OutputError
        The device cannot be opened, neither at the pipe's rate nor at its own.
    """

    def __init__(self, ring: int, device: DeviceInfo, sample_rate: int, latency_s: float) -> None:
        self.ring = ring
        self.mono = memoryview(array.array("f", bytes(4 * LARGEST_BLOCK)))
        self.silence = memoryview(array.array("f", bytes(4 * LARGEST_BLOCK)))
        self.channels = min(2, device.channels)
        self.beats = self.dry = self.xruns = 0
        self.leading_in = round(LEAD_IN_S * sample_rate)  # frames of silence still to play
        self.begun = False  # silence before the first whole block is no underflow
        self.stream, self.sample_rate = self.open(device, sample_rate, latency_s)

    def open(self, device: DeviceInfo, target: int, latency_s: float) -> tuple[Any, int]:
        """A stream at the wanted rate or, if the device refuses that, at the device's own."""
        sounddevice = _portaudio()
        for sample_rate in (target, round(device.default_sample_rate)):
            try:
                stream = sounddevice.RawOutputStream(
                    samplerate=sample_rate,
                    device=device.index,
                    channels=self.channels,
                    dtype="float32",
                    latency=latency_s,
                    callback=self.fill,
                )
            except sounddevice.PortAudioError as error:
                refusal = error
            else:
                return stream, sample_rate
        raise OutputError(f"{device.name} cannot be opened ({refusal})") from refusal

    def start(self) -> None:
        """Begins to play.

        Raises
        ------
        OutputError
            The device went away meanwhile.
        """
        try:
            self.stream.start()
        except _portaudio().PortAudioError as error:
            raise OutputError(f"the speaker cannot be started ({error})") from error

    def fill(self, outdata: Any, frames: int, _time: Any, status: CallbackFlags) -> None:  # noqa: ANN401  cffi's
        """PortAudio's callback."""
        self.beats += 1
        mono = self.mono[:frames]
        n = 0 if self.leading_in > 0 else self._pull(mono)
        self.leading_in -= frames
        self.begun = self.begun or n == frames
        if status.output_underflow:  # the device played on without us; the ring may be short of it
            self.xruns += self.begun
        elif n < frames:
            self.dry += self.begun
        mono[n:] = self.silence[: frames - n]
        out = memoryview(outdata).cast("f")
        for channel in range(self.channels):
            out[channel :: self.channels] = mono

    def _pull(self, mono: memoryview) -> int:
        try:
            return os.readv(self.ring, [mono]) // 4
        except BlockingIOError:
            return 0


def look(target: str | None, ring: int, sample_rate: int, latency_s: float) -> Feed | None:
    """Looks until there is a speaker that can be opened; None when it has looked for too long."""
    for attempt in range(LOOKS):
        try:
            if attempt:
                _look_again(_portaudio())
            device = choose_device(target)
            feed = Feed(ring, device, sample_rate, latency_s)
        except OutputError as error:
            tell(f"none {error}")
        else:
            tell(f"found {feed.sample_rate} {device.name} ({device.host_api})")
            return feed
        if _spoken_to(RETRY_S):  # nothing is asked meanwhile: it is the end of standard input
            break
    return None


Look = Callable[[str | None, int, int, float], Feed | None]


def play(feed: Feed) -> None:
    """Plays as long as the stream is active and somebody holds standard input."""
    feed.start()
    while feed.stream.active and not _spoken_to(BEAT_S):
        tell(f"beat {feed.beats} {feed.dry} {feed.xruns}")


def _spoken_to(patience_s: float) -> bool:
    """Whether standard input has a line, or has been closed."""
    return bool(select.select([sys.stdin], [], [], patience_s)[0])


def tell(line: str) -> None:
    """A line to the voice."""
    print(line.replace("\n", " "), flush=True)


def main(ring: str, target: str, sample_rate: str, latency_s: str, look: Look = look) -> None:
    """The output process, on whatever `look` finds."""
    die_with_the_parent()
    hurry(OUTPUT, with_threads=True)
    stay_in_memory()
    try:
        feed = look(target or None, int(ring), int(sample_rate), float(latency_s))
        if feed is not None and sys.stdin.readline():
            play(feed)
    except BrokenPipeError:  # the voice is gone
        pass
    except Exception as error:  # noqa: BLE001 - whatever it is, the voice says it
        tell(f"none {error}")
    finally:
        os._exit(0)  # closing a stream whose device is gone may take for ever


if __name__ == "__main__":
    main(*sys.argv[1:])
