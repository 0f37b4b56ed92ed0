"""What the doctor tries out for real: each in a process of its own, which may die of it.

    python -m latent_resonance.doctor.probes NAME [SETTINGS]

prints one line of what was found and leaves with 0, or one line of what is wrong and leaves
with 1. A library that crashes takes only the probe with it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from latent_resonance import LatentResonanceError
from latent_resonance.config.settings import Settings, load_settings

if TYPE_CHECKING:
    from latent_resonance.audio.spectrogram import FloatArray
    from latent_resonance.voice.output.device import Speaker

LOOKING_S = 8.0  # for a face to appear, or a speaker to answer
TONE_RATE = 48_000  # Hz


def network(_settings: Settings) -> str:
    """Whether the eye could give up its network."""
    from latent_resonance.eye.sandbox import drop_network

    return f"the eye gives it up by {drop_network()}"


def face_model(_settings: Settings) -> str:
    """Whether the face models are there and undamaged."""
    from latent_resonance.eye.tracking.tracker import MODELS, checked_model
    from latent_resonance.pack import models_folder

    folder = models_folder()
    for name in MODELS:
        checked_model(folder / name)
    return f"{', '.join(MODELS)} in {folder}"


def tracker(settings: Settings) -> str:
    """Which tracker starts and why, without the network that MediaPipe would call home through."""
    _isolate(settings)
    from latent_resonance.eye.tracking.select import open_tracker, tracker_choice
    from latent_resonance.pack import models_folder

    choice = tracker_choice(settings.eye)
    open_tracker(models_folder(), settings.eye).close()
    return f"{choice.name} starts: {choice.reason}"


def pack(settings: Settings) -> str:
    """Whether the pack opens and its networks keep to their contract."""
    from latent_resonance.pack import find_pack, open_pack
    from latent_resonance.voice.synthesis.networks import load_networks

    opened = open_pack(find_pack(settings.pack))
    networks = load_networks(opened, settings.inference)
    return f"{opened.folder}, {len(opened.anchors)} pure anchors, on {networks.provider}"


def camera(settings: Settings) -> str:
    """Whether the camera sends an image; of it, only the size is kept."""
    from latent_resonance.eye.camera.select import open_camera
    from latent_resonance.eye.camera.v4l2 import list_devices

    opened = open_camera(settings.camera)
    try:
        height, width = opened.read().pixels.shape[:2]
    finally:
        opened.close()
    there = ", ".join(map(str, list_devices()))
    size = f"{settings.camera.source} sends images of {width} × {height}"
    return f"{size} (there is {there})" if there else size


def face(settings: Settings) -> str:
    """Whether a face is seen within a few seconds."""
    _isolate(settings)
    from latent_resonance.eye.camera.select import open_camera
    from latent_resonance.eye.tracking.select import open_tracker
    from latent_resonance.pack import models_folder

    finder = open_tracker(models_folder(), settings.eye)
    opened = open_camera(settings.camera)
    end_s = time.monotonic() + LOOKING_S
    try:
        while time.monotonic() < end_s:
            if finder.find(opened.read()):
                return "a face is seen"
    finally:
        opened.close()
        finder.close()
    raise LatentResonanceError(f"no face was seen for {LOOKING_S:g} s")


def _isolate(settings: Settings) -> None:
    """As the eye does before it imports a tracker."""
    from latent_resonance.eye.sandbox import drop_network

    if not settings.eye.allow_network:
        drop_network()


def speaker(settings: Settings) -> str:
    """Whether there is the speaker that the settings ask for."""
    from latent_resonance.voice.output.portaudio_process import choose_device

    found = choose_device(settings.output.device)
    return f"{found.name} ({found.host_api}, {found.default_sample_rate:.0f} Hz)"


def tone(settings: Settings) -> str:
    """Plays a tone, a second of the chamber's a, softly."""
    from latent_resonance.voice.output.device import Speaker
    from latent_resonance.voice.output.ring import Ring

    ring, said = Ring(2 * TONE_RATE), []
    output = settings.output
    player = Speaker(ring, TONE_RATE, output.device, output.latency_s, said.append)
    try:
        _tend(player, LOOKING_S, lambda: player.playing)
        if not player.playing:
            raise LatentResonanceError(said[-1] if said else "no speaker answers")
        ring.push(_a440(player.sample_rate))
        _tend(player, LOOKING_S, lambda: ring.empty)
        _tend(player, output.latency_s + 0.3, lambda: False)
    finally:
        name = player.name
        player.close()
    return f"a tone of one second was played on {name}"


def _tend(player: Speaker, patience_s: float, done: Callable[[], bool]) -> None:
    end_s = time.monotonic() + patience_s
    while time.monotonic() < end_s and not done():
        player.poll(time.monotonic())
        time.sleep(0.005)


def _a440(sample_rate: int) -> FloatArray:
    """(sample_rate,): 440 Hz at -20 dBFS, with a tenth of a second to come and to go."""
    import numpy as np

    time_s = np.arange(sample_rate) / sample_rate
    fade = np.clip(10 * np.minimum(time_s, 1 - time_s), 0, 1)
    return (0.1 * fade * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)


PROBES: dict[str, Callable[[Settings], str]] = {
    probe.__name__: probe
    for probe in (network, face_model, tracker, pack, camera, face, speaker, tone)
}


def main(name: str, config: str | None = None) -> int:
    """Runs one probe and prints its line."""
    try:
        print(PROBES[name](load_settings(Path(config) if config else None)))
    except LatentResonanceError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
