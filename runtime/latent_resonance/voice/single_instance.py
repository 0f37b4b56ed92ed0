"""One performance at a time holds the speaker."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from latent_resonance import LatentResonanceError


class SpeakerHeldError(LatentResonanceError):
    """Another performance holds the speaker."""


class NoRuntimeFolderError(LatentResonanceError):
    """The folder where eye and voice meet cannot be made or written."""


def hold_the_speaker(socket_path: Path) -> IO[str]:
    """A lock that one performance at a time can hold; it goes with the process.

    Raises
    ------
    SpeakerHeldError
        Another performance holds it.
    NoRuntimeFolderError
        There is nowhere to lie for it.
    """
    try:
        socket_path.parent.mkdir(parents=True, exist_ok=True)
        lock = socket_path.with_suffix(".lock").open("a+")
    except OSError as error:
        raise NoRuntimeFolderError(
            f"{socket_path.parent}: cannot be used ({error.strerror}); set socket_path to a "
            "place in a folder that can be written, such as /run/latent-resonance/face.sock"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise SpeakerHeldError(
            f"another performance (process {holder}) holds the speaker; "
            "stop it first, or give this one its own socket_path"
        ) from error
    with contextlib.suppress(OSError):  # on a full disk the holder stays unnamed
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), str(os.getpid()).encode())
    return lock
