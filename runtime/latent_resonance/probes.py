"""What the doctor tries out for real: each in a process of its own, which may die of it.

    python -m latent_resonance.probes NAME [SETTINGS]

prints one line of what was found and leaves with 0, or one line of what is wrong and leaves
with 1. A library that crashes takes only the probe with it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.settings import Settings, load_settings


def network(_settings: Settings) -> str:
    """Whether the eye could give up its network."""
    from latent_resonance.eye.isolation import give_up_network

    return f"the eye gives it up by {give_up_network()}"


def face_model(_settings: Settings) -> str:
    """Whether the face model is there and undamaged."""
    from latent_resonance.eye.tracker import MODEL_NAME, MODEL_SHA256
    from latent_resonance.pack import models_folder, sha256_of

    path = models_folder() / MODEL_NAME
    if not path.is_file():
        raise LatentResonanceError(f"{path} is missing; check out models/ again")
    if sha256_of(path) != MODEL_SHA256:
        raise LatentResonanceError(f"{path} is damaged (wrong sha256); check out models/ again")
    return f"{path}, sha256 {MODEL_SHA256[:12]}…"


def tracker(settings: Settings) -> str:
    """Whether MediaPipe starts, without the network it would call home through."""
    from latent_resonance.eye.isolation import give_up_network

    give_up_network()
    from latent_resonance.eye.tracker import MODEL_NAME, Tracker
    from latent_resonance.pack import models_folder

    Tracker(models_folder() / MODEL_NAME, settings.eye).close()
    return "MediaPipe starts"


def pack(settings: Settings) -> str:
    """Whether the pack opens and its networks keep to their contract."""
    from latent_resonance.pack import find_pack, open_pack
    from latent_resonance.voice.generator import open_networks

    opened = open_pack(find_pack(settings.pack))
    networks = open_networks(opened, settings.inference)
    return f"{opened.folder}, {len(opened.anchors)} pure anchors, on {networks.provider}"


def camera(settings: Settings) -> str:
    """Whether the camera sends an image; of it, only the size is kept."""
    from latent_resonance.eye.sources import open_camera

    opened = open_camera(settings.camera)
    try:
        height, width = opened.read().pixels.shape[:2]
    finally:
        opened.close()
    return f"{settings.camera.source} sends images of {width} × {height}"


def speaker(settings: Settings) -> str:
    """Whether there is the speaker that the settings ask for."""
    from latent_resonance.voice.output import choose_device

    found = choose_device(settings.output.device)
    return f"{found.name} ({found.host_api}, {found.default_sample_rate:.0f} Hz)"


PROBES: dict[str, Callable[[Settings], str]] = {
    probe.__name__: probe for probe in (network, face_model, tracker, pack, camera, speaker)
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
