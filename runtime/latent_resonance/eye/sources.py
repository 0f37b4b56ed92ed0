"""Which camera `camera.source` names.

Called by the reader's thread, again and again while there is none. In: `settings.camera`. Out: an
open `Camera`.
"""

from __future__ import annotations

import stat
from pathlib import Path

from latent_resonance.eye.camera import Camera, CameraError, ClipCamera, V4lCamera
from latent_resonance.eye.rpicam import RpicamCamera
from latent_resonance.settings import Camera as CameraSettings

NAMES = Path("/dev/v4l")  # udev's names: by-id, by-path


def open_camera(settings: CameraSettings) -> Camera:
    """Open what the settings name: an index, a device, part of its name, "rpicam", or a clip.

    Raises
    ------
    CameraError
        If there is no such camera now.
    """
    source = str(settings.source)
    if source == "rpicam":
        return RpicamCamera(settings)
    device = device_named(source, NAMES)
    if device is None:
        return ClipCamera(Path(source))
    return V4lCamera(device, settings)


def device_named(source: str, names: Path) -> Path | None:
    """The device that a source names, or None if it names a file.

    A camera's names end in video-index0 (images) and -index1 (their description): the first wins.
    """
    if source.isdigit():
        return Path(f"/dev/video{source}")
    path = Path(source)
    if path.is_relative_to("/dev") or (path.exists() and stat.S_ISCHR(path.stat().st_mode)):
        return path
    if path.exists():
        return None
    found = sorted(link for link in names.glob("by-*/*") if source.lower() in link.name.lower())
    if not found and not path.suffix:
        raise CameraError(f"no camera's name contains {source!r}; see ls /dev/v4l/by-id")
    return found[0] if found else None
