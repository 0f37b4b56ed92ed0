"""Opens the camera that `camera.source` names.

Called repeatedly by the reader's thread while there is none: a camera that is plugged in again is
found by its name, whatever its device number. In: `settings.camera`. Out: an open `Camera`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterable
from pathlib import Path

from latent_resonance.config.settings import Camera as CameraSettings
from latent_resonance.eye.camera.argus import open_argus
from latent_resonance.eye.camera.camera import Camera, CameraError, RotatedCamera, V4l2Camera
from latent_resonance.eye.camera.clip import ClipCamera
from latent_resonance.eye.camera.rpicam import open_rpicam
from latent_resonance.eye.camera.v4l2 import Device, list_devices

UDEV_LINKS = Path("/dev/v4l")  # by-id, by-path
FIRST_USB = "usb"
PIPES = {"rpicam": open_rpicam, "argus": open_argus}  # CSI cameras of a Pi and of a Jetson
_FILE = re.compile(r"/|\.[a-z0-9]{2,4}$", re.IGNORECASE)  # matches only file names


def open_camera(settings: CameraSettings) -> Camera:
    """Open the configured source: a device, part of its name, "usb", "rpicam", "argus", or a clip.

    Raises
    ------
    CameraError
        If no such camera is connected.
    """
    source = str(settings.source)
    if source in PIPES:
        return _with_rotation(PIPES[source](settings), settings)
    device = find_device(source, UDEV_LINKS, list_devices())
    if device is None:
        return ClipCamera(Path(source), settings.images_per_s)
    return _with_rotation(V4l2Camera(device, settings), settings)


def find_device(source: str, links: Path, connected: Iterable[Device]) -> Path | None:
    """The device that a source names, or None if it names a file.

    Parameters
    ----------
    links
        The folder of udev's links. A camera has links that end in video-index0 (images) and
        -index1 (metadata); the first is used.
    connected
        The cameras that Linux has now.

    Raises
    ------
    CameraError
        If no camera matches.
    """
    if source.isdigit():
        return Path(f"/dev/video{source}")
    path = Path(source)
    if path.is_relative_to("/dev") or (path.exists() and stat.S_ISCHR(path.stat().st_mode)):
        return path
    if path.exists():
        return None
    cameras = list(connected)
    found = [device.path for device in cameras if device.on_usb] if source == FIRST_USB else []
    found = found or _matching_links(source, links)
    found = found or [device.path for device in cameras if device.matches(source)]
    if not found and not _FILE.search(source):
        raise CameraError(_not_found_message(source, cameras))
    return found[0] if found else None


def _matching_links(source: str, links: Path) -> list[Path]:
    return sorted(link for link in links.glob("by-*/*") if source.lower() in link.name.lower())


def _not_found_message(source: str, connected: list[Device]) -> str:
    """Why no camera matches, and which ones are connected."""
    if source == FIRST_USB:
        missing = "no USB camera is connected; plug one in"
    else:
        missing = f"no camera's name contains {source!r}; plug it in"
    others = ", ".join(str(device) for device in connected)
    return f"{missing}, or set camera.source" + (f" (connected: {others})" if others else "")


def _with_rotation(camera: Camera, settings: CameraSettings) -> Camera:
    """The camera, its images rotated by `camera.rotation`."""
    return RotatedCamera(camera, settings.rotation) if settings.rotation else camera
