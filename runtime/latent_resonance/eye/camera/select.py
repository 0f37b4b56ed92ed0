"""Which camera `camera.source` names.

Called by the reader's thread, again and again while there is none: a camera that is plugged in
again is found by its name, whatever number it has now. In: `settings.camera`. Out: an open
`Camera`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path

from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.camera import (
    Camera,
    CameraError,
    ClipCamera,
    RotatedCamera,
    V4l2Camera,
)
from latent_resonance.eye.camera.rpicam import RpicamCamera
from latent_resonance.eye.camera.v4l2 import Device, devices

NAMES = Path("/dev/v4l")  # udev's names: by-id, by-path
FIRST_USB = "usb"
_FILE = re.compile(r"/|\.[a-z0-9]{2,4}$", re.IGNORECASE)  # what only the name of a file has


def open_camera(settings: CameraSettings) -> Camera:
    """Open what the settings name: a device, part of its name, "usb", "rpicam", or a clip.

    Raises
    ------
    CameraError
        If there is no such camera now.
    """
    source = str(settings.source)
    if source == "rpicam":
        return _orientation(RpicamCamera(settings), settings)
    device = find_device(source, NAMES, devices())
    if device is None:
        return ClipCamera(Path(source), settings.images_per_s)
    return _orientation(V4l2Camera(device, settings), settings)


def find_device(source: str, names: Path, present: Iterable[Device]) -> Path | None:
    """The device that a source names, or None if it names a file.

    Parameters
    ----------
    names
        The folder of udev's links. A camera's end in video-index0 (images) and -index1 (their
        description): the first wins.
    present
        The cameras that are there.
    """
    if source.isdigit():
        return Path(f"/dev/video{source}")
    path = Path(source)
    if path.is_relative_to("/dev") or (path.exists() and stat.S_ISCHR(path.stat().st_mode)):
        return path
    if path.exists():
        return None
    there = list(present)
    found = [device.path for device in there if device.on_usb] if source == FIRST_USB else []
    found = found or _linked(source, names) or [d.path for d in there if d.matches(source)]
    if not found and not _FILE.search(source):
        raise CameraError(_none_named(source, there))
    return found[0] if found else None


def _linked(source: str, names: Path) -> list[Path]:
    return sorted(link for link in names.glob("by-*/*") if source.lower() in link.name.lower())


def _none_named(source: str, present: list[Device]) -> str:
    """Why nothing answers to the name, and what would."""
    if source == FIRST_USB:
        missing = "no USB camera is there; plug one in"
    else:
        missing = f"no camera's name contains {source!r}; plug it in"
    others = ", ".join(str(device) for device in present)
    return f"{missing}, or set camera.source" + (f" (there is {others})" if others else "")


def _orientation(camera: Camera, settings: CameraSettings) -> Camera:
    """The camera, its images turned as the settings say."""
    return RotatedCamera(camera, settings.rotation) if settings.rotation else camera
