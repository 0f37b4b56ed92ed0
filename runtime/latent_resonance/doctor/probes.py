"""Probes of the doctor, each run in its own process, so that a crash ends only the probe.

    python -m latent_resonance.doctor.probes NAME [SETTINGS]

prints one line and exits with 0 on success, or prints the error and exits with 1.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import Settings, load_settings
from latent_resonance.linux.process_exit import leave

if TYPE_CHECKING:
    from latent_resonance.audio.spectrogram import FloatArray
    from latent_resonance.config.output import Output
    from latent_resonance.voice.output.device import Speaker

TIMEOUT_S = 8.0  # for a face to be detected, or a speaker to play
TONE_RATE = 48_000  # Hz


def network(_settings: Settings) -> str:
    """Whether the eye can drop its network access, and by which means."""
    from latent_resonance.eye.sandbox import drop_network

    return f"the eye drops its access by {drop_network()}"


def face_model(_settings: Settings) -> str:
    """Whether the face models are complete and undamaged."""
    from latent_resonance.eye.tracking.tracker import MODELS, checked_model
    from latent_resonance.pack import models_folder

    folder = models_folder()
    for name in MODELS:
        checked_model(folder / name)
    return f"{', '.join(MODELS)} in {folder}"


def tracker(settings: Settings) -> str:
    """Which tracker starts and why; without network, which MediaPipe would use for telemetry."""
    _isolate(settings)
    from latent_resonance.eye.tracking.select import open_tracker, tracker_choice
    from latent_resonance.pack import models_folder

    choice = tracker_choice(settings.eye)
    open_tracker(models_folder(), settings.eye).close()
    return f"{choice.name} starts: {choice.reason}"


def pack(settings: Settings) -> str:
    """Whether the pack and those by the clock open, and their networks can be run."""
    from latent_resonance.voice.pack_loader import load_in_time
    from latent_resonance.voice.reload import check_compatible

    opened, networks = load_in_time(settings.pack, settings.inference)
    by_clock = dict.fromkeys(each.pack for each in settings.packs if each.pack != settings.pack)
    for name in by_clock:
        other, _ = load_in_time(name, settings.inference)
        check_compatible(opened, other)
    also = f"; by the clock {', '.join(by_clock)}" if by_clock else ""
    return f"{opened.folder}, {len(opened.anchors)} pure anchors, on {networks.provider}{also}"


def camera(settings: Settings) -> str:
    """Whether the camera sends an image, and how far it sees; only the image's size is used."""
    from latent_resonance.doctor.visible_range import visible_range
    from latent_resonance.eye.camera.select import open_camera
    from latent_resonance.eye.camera.v4l2 import list_devices

    opened = open_camera(settings.camera)
    try:
        height, width = opened.read().pixels.shape[:2]
    finally:
        opened.close()
    connected = ", ".join(map(str, list_devices()))
    size = f"{settings.camera.source} sends images of {width} × {height}"
    found = f"{size}, {visible_range(width, height)}"
    return f"{found} (connected: {connected})" if connected else found


def face(settings: Settings) -> str:
    """Whether a face is detected within TIMEOUT_S."""
    _isolate(settings)
    from latent_resonance.eye.camera.select import open_camera
    from latent_resonance.eye.tracking.select import open_tracker
    from latent_resonance.pack import models_folder

    face_tracker = open_tracker(models_folder(), settings.eye)
    opened = open_camera(settings.camera)
    end_s = time.monotonic() + TIMEOUT_S
    try:
        while time.monotonic() < end_s:
            if face_tracker.find(opened.read()):
                return "a face is detected"
    finally:
        opened.close()
        face_tracker.close()
    raise LatentResonanceError(f"no face was detected for {TIMEOUT_S:g} s")


def _isolate(settings: Settings) -> None:
    """Drop network access, as the eye does before it imports a tracker."""
    from latent_resonance.eye.sandbox import drop_network

    if not settings.eye.allow_network:
        drop_network()


def speaker(settings: Settings) -> str:
    """Whether the configured speaker is connected."""
    from latent_resonance.voice.output.portaudio_process import choose_device

    found = choose_device(settings.output.device)
    return f"{found.name} ({found.host_api}, {found.default_sample_rate:.0f} Hz)"


def tone(settings: Settings) -> str:
    """Play A4 (440 Hz) for one second on each channel in turn, softly; name it on stderr."""
    from latent_resonance.config.output import requested_device_channels
    from latent_resonance.voice.output.device import Speaker
    from latent_resonance.voice.output.ring import Ring

    output, ring = settings.output, Ring(TONE_RATE // 4)
    messages: list[str] = []
    n_channels = requested_device_channels(output)
    player = Speaker(
        ring, TONE_RATE, output.device, output.latency_s, messages.append, n_channels=n_channels
    )
    try:
        _poll_until(player, TIMEOUT_S, lambda: player.playing)
        if not player.playing:
            raise LatentResonanceError(messages[-1] if messages else "no speaker plays")
        for channel in range(ring.n_channels):
            print(channel_name(output, channel, ring.n_channels), file=sys.stderr, flush=True)
            _play(player, channel, output.latency_s + 0.3)
    finally:
        name, n_channels = player.name, ring.n_channels
        player.close()
    each = f", on each of {n_channels} channels in turn" if n_channels > 1 else ""
    return f"a tone of one second was played on {name}{each}"


def channel_name(output: Output, channel: int, n_channels: int) -> str:
    """A channel of the device, from 0, and what the routing has it play, for people."""
    name = f"tone on channel {channel + 1} of {n_channels}"
    if channel >= len(output.routing):
        return name
    return f"{name}, which output.routing has play {output.routing[channel].plays}"


def _play(player: Speaker, channel: int, rest_s: float) -> None:
    """Play the tone on one channel of the ring, then rest."""
    import numpy as np

    ring, sound = player.ring, _a440(player.sample_rate)
    frames = np.zeros((ring.n_channels, len(sound)), np.float32)
    frames[channel] = sound
    size = ring.capacity // 4
    for start in range(0, len(sound), size):
        _poll_until(player, TIMEOUT_S, lambda: ring.space >= size)
        ring.push(frames[:, start : start + size])
    _poll_until(player, TIMEOUT_S, lambda: ring.empty)
    _poll_until(player, rest_s, lambda: False)


def _poll_until(player: Speaker, timeout_s: float, done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + timeout_s
    while time.monotonic() < end_s and not done():
        player.poll(time.monotonic())
        time.sleep(0.005)


def _a440(sample_rate: int) -> FloatArray:
    """440 Hz at -20 dBFS, with fades of 0.1 s: (sample_rate,)."""
    import numpy as np

    time_s = np.arange(sample_rate) / sample_rate
    fade = np.clip(10 * np.minimum(time_s, 1 - time_s), 0, 1)
    samples: FloatArray = (0.1 * fade * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    return samples


PROBES: dict[str, Callable[[Settings], str]] = {
    probe.__name__: probe
    for probe in (network, face_model, tracker, pack, camera, face, speaker, tone)
}


def main(name: str, config: str | None = None) -> int:
    """Run one probe and print its line; returns the exit code."""
    try:
        print(PROBES[name](load_settings(Path(config) if config else None)))
    except LatentResonanceError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    leave(main(*sys.argv[1:]))
