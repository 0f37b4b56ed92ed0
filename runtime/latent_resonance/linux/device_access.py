"""Devices that exist and that this user may not open: another fault than a missing device."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

REMEDY = "sudo usermod -aG audio,video $USER, then log out and in"
# A service has its groups already; which devices its access list opens was decided at its start.
SERVICE_REMEDY = "sudo systemctl restart latent-resonance.target"


def forbidden(devices: Iterable[Path]) -> list[Path]:
    """Those that exist and that this process may not read and write."""
    return [device for device in devices if device.exists() and not _is_open(device)]


def forbidden_sound_cards(folder: Path = Path("/dev/snd")) -> list[Path]:
    """The playback devices of ALSA that this process may not open."""
    return forbidden(sorted(folder.glob("pcm*p")))


def forbidden_message(devices: Iterable[Path], environment: Mapping[str, str] = os.environ) -> str:
    """What is wrong with them, and the remedy; `environment` tells a service of systemd."""
    names = ", ".join(map(str, devices))
    remedy = SERVICE_REMEDY if environment.get("NOTIFY_SOCKET") else REMEDY
    return f"this user may not open {names}; {remedy}"


def _is_open(device: Path) -> bool:
    return os.access(device, os.R_OK | os.W_OK)
