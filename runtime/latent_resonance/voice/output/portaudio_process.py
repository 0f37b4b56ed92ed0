r"""The output process: plays the ring on a PortAudio device; it can be killed and restarted.

The only module that imports sounddevice. PortAudio and the libraries below it may hang, spin
or crash, and list only the devices that were present when they were initialised. So it runs in
a process of its own and reads samples from a pipe:

    python -m latent_resonance.voice.output.portaudio_process \
        RING DEVICE RATE LATENCY CHANNELS [SKIP]...

`RING` is the pipe's file descriptor, `DEVICE` part of a device's name (empty: the default),
`CHANNELS` the number of channels to open it with, or fewer if it has fewer, `SKIP` names of devices
that took no samples. It reports to `device.py` on standard output, one line each:

    none MESSAGE                no device; it keeps looking
    found RATE CHANNELS NAME    a device is open at RATE Hz; it waits for a line on standard input
    beat CALLBACKS RING_UNDERFLOWS DEVICE_UNDERFLOWS SILENT_FRAMES    totals, ten times a second
    better NAME                 a card was connected that comes before the device, if none is named

It exits when the stream stops, after `better`, or when standard input closes. It ignores the
signals that Ctrl-C and systemd send to every process: the voice fades out first. The callback only
copies. It does not import numpy, so that a replacement starts quickly.
"""

from __future__ import annotations

import array
import os
import select
import signal
import sys
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from latent_resonance.linux.realtime import (
    OUTPUT_PRIORITY,
    kill_with_parent,
    lock_memory,
    request_realtime_priority,
)
from latent_resonance.voice.output.alsa_config import extend_alsa_config, hdmi_cards
from latent_resonance.voice.output.device_order import (
    DeviceInfo,
    OutputError,
    candidates,
    find_device,
)
from latent_resonance.voice.output.new_cards import NewCards

if TYPE_CHECKING:  # importing it needs PortAudio
    from sounddevice import CallbackFlags

RETRY_S = 0.7
MAX_ATTEMPTS = 500  # then a new process takes over: it bounds what a library leaks
HEARTBEAT_S = 0.1
LEAD_IN_S = 0.1  # silence at the start: a device fills its buffer faster than the ring fills
MAX_BLOCK = 1 << 16  # frames, more than a second of any device


def _portaudio() -> ModuleType:
    try:
        import sounddevice
    except OSError as error:
        raise OutputError(
            "PortAudio is not installed, so no speaker can be reached: apt install libportaudio2"
        ) from error
    module: ModuleType = sounddevice  # which carries no types
    return module


def _refresh_devices(sounddevice: ModuleType) -> None:
    """Restart PortAudio, which lists devices only once; sounddevice has no public way to do so."""
    try:
        sounddevice._terminate()  # noqa: SLF001 - see above
        sounddevice._initialize()  # noqa: SLF001 - see above
    except sounddevice.PortAudioError as error:
        raise OutputError(f"PortAudio cannot be started ({error})") from error


def list_devices() -> list[DeviceInfo]:
    """All output devices.

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


def choose_device(device_name: str | None) -> DeviceInfo:
    """The default device, or the first whose name contains `device_name`.

    Raises
    ------
    OutputError
        There is none; the message lists the available ones.
    """
    return find_device(device_name, list_devices())


class OutputStream:
    """One PortAudio stream, whose callback reads interleaved frames from the pipe.

    Raises
    ------
    OutputError
        The device can be opened neither at the pipe's rate nor at its own.
    """

    def __init__(
        self, ring: int, device: DeviceInfo, sample_rate: int, latency_s: float, channels: int
    ) -> None:
        self.ring, self.device = ring, device
        self.channels = min(channels, device.channels)
        self.silence = memoryview(array.array("f", bytes(4 * MAX_BLOCK * self.channels)))
        self.callbacks = self.ring_underflows = self.device_underflows = self.silent_frames = 0
        self.lead_in_left = round(LEAD_IN_S * sample_rate)  # frames of silence still to play
        self.started = False  # missing samples before the first full block are no underflow
        self.stream, self.sample_rate = self.open(device, sample_rate, latency_s)

    def open(self, device: DeviceInfo, preferred_rate: int, latency_s: float) -> tuple[Any, int]:
        """A stream at the preferred rate or, if the device refuses that, at its default rate."""
        sounddevice = _portaudio()
        for sample_rate in (preferred_rate, round(device.default_sample_rate)):
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
        """Start playback.

        Raises
        ------
        OutputError
            The device has been removed since it was opened.
        """
        try:
            self.stream.start()
        except _portaudio().PortAudioError as error:
            raise OutputError(f"the speaker cannot be started ({error})") from error

    def fill(self, outdata: Any, frames: int, _time: Any, status: CallbackFlags) -> None:  # noqa: ANN401  cffi's
        """PortAudio's callback."""
        self.callbacks += 1
        out = memoryview(outdata).cast("f")
        n = 0 if self.lead_in_left > 0 else self._pull(out)
        self.lead_in_left -= frames
        self.started = self.started or n == frames
        if status.output_underflow:  # the callback was late; the ring may be low because of that
            self.device_underflows += self.started
        elif n < frames:
            self.ring_underflows += self.started
        self.silent_frames += self.started * (frames - n)
        out[n * self.channels :] = self.silence[: (frames - n) * self.channels]

    def _pull(self, out: memoryview[float]) -> int:
        """Frames read from the pipe."""
        try:
            return os.readv(self.ring, [out]) // (4 * self.channels)
        except BlockingIOError:
            return 0


def open_first(
    devices: list[DeviceInfo], ring: int, sample_rate: int, latency_s: float, channels: int
) -> tuple[OutputStream, DeviceInfo]:
    """The first of these devices that can be opened.

    Raises
    ------
    OutputError
        None can; the message is that of the first.
    """
    errors: list[OutputError] = []
    for device in devices:
        try:
            return OutputStream(ring, device, sample_rate, latency_s, channels), device
        except OutputError as error:
            errors.append(error)
    raise errors[0]


def open_device(
    device_name: str | None,
    ring: int,
    sample_rate: int,
    latency_s: float,
    channels: int,
    skipped: tuple[str, ...] = (),
) -> OutputStream | None:
    """Try until a device can be opened.

    Returns
    -------
    The open stream. None after MAX_ATTEMPTS, if standard input closes, or if an HDMI card or its
    screen was connected: ALSA reads its configuration once, which is then another one.
    """
    screens = list(hdmi_cards())
    for attempt in range(MAX_ATTEMPTS):
        try:
            if attempt:
                _refresh_devices(_portaudio())
            devices = candidates(device_name, list_devices(), skipped)
            output, device = open_first(devices, ring, sample_rate, latency_s, channels)
        except OutputError as error:
            report(f"none {error}")
        else:
            report_found(output, device)
            return output
        # no line is sent before `found`: standard input has closed
        if _stdin_ready(RETRY_S) or list(hdmi_cards()) != screens:
            break
    return None


OpenDevice = Callable[[str | None, int, int, float, int, tuple[str, ...]], OutputStream | None]


def play(output: OutputStream, new_cards: NewCards | None) -> None:
    """Play while the stream is active, standard input open, and no new card is better."""
    output.start()
    while output.stream.active and not _stdin_ready(HEARTBEAT_S):
        counts = (output.callbacks, output.ring_underflows, output.device_underflows)
        report(f"beat {' '.join(map(str, counts))} {output.silent_frames}")
        if new_cards and (better := new_cards.better_than(output.device)) is not None:
            report(f"better {better}")
            return


def _stdin_ready(timeout_s: float) -> bool:
    """Whether standard input has a line, or has been closed."""
    return bool(select.select([sys.stdin], [], [], timeout_s)[0])


def report_found(output: OutputStream, device: DeviceInfo) -> None:
    """Tell the voice which device is open, and how."""
    name = f"{device.name} ({device.host_api})"
    report(f"found {output.sample_rate} {output.channels} {name}")


def report(line: str) -> None:
    """Send a status line to the voice."""
    print(line.replace("\n", " "), flush=True)


def main(
    ring: str,
    device_name: str,
    sample_rate: str,
    latency_s: str,
    channels: str,
    *skipped: str,
    open_device: OpenDevice = open_device,
) -> None:
    """Run the output process on the device that `open_device` returns."""
    kill_with_parent()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    request_realtime_priority(OUTPUT_PRIORITY, with_threads=True)
    lock_memory()
    new_cards = None if device_name else NewCards()
    extend_alsa_config()
    try:
        output = open_device(
            device_name or None,
            int(ring),
            int(sample_rate),
            float(latency_s),
            int(channels),
            skipped,
        )
        if output is not None and sys.stdin.readline():
            play(output, new_cards)
    except BrokenPipeError:  # the voice is gone
        pass
    except Exception as error:  # noqa: BLE001 - the voice logs it, whatever it is
        report(f"none {error}")
    finally:
        os._exit(0)  # closing a stream whose device is gone may block forever


if __name__ == "__main__":
    main(*sys.argv[1:])
