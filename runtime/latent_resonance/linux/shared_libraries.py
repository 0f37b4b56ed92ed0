"""Libraries of the system that Python's wheels are linked to, and Debian's packages of them.

Asked by the eye where it chooses a tracker and by the doctor. In: names of files. Out: which of
them cannot be loaded.
"""

from __future__ import annotations

import ctypes

PORTAUDIO = {"libportaudio.so.2": "libportaudio2"}  # file -> package
GRAPHICS = {"libEGL.so.1": "libegl1", "libGLESv2.so.2": "libgles2"}  # MediaPipe's


def missing(libraries: dict[str, str]) -> dict[str, str]:
    """Those of the libraries, file -> package, that cannot be loaded."""
    return {file: libraries[file] for file in libraries if not _can_be_loaded(file)}


def _can_be_loaded(file: str) -> bool:
    try:
        ctypes.CDLL(file)
    except OSError:
        return False
    return True
