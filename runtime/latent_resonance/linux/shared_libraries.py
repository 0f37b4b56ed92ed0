"""Shared libraries that Python wheels link to, and the Debian packages that contain them.

Checked by the eye when it selects a tracker, and by the doctor.
"""

from __future__ import annotations

import ctypes

PORTAUDIO = {"libportaudio.so.2": "libportaudio2"}  # file -> package
GRAPHICS = {"libEGL.so.1": "libegl1", "libGLESv2.so.2": "libgles2"}  # for MediaPipe


def missing(libraries: dict[str, str]) -> dict[str, str]:
    """The libraries, file -> package, that cannot be loaded."""
    return {file: libraries[file] for file in libraries if not _can_load(file)}


def _can_load(file: str) -> bool:
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True
