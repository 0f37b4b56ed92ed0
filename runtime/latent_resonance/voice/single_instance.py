"""A lock that allows one performance at a time on the speaker."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import IO

from latent_resonance import LatentResonanceError


class SpeakerLockedError(LatentResonanceError):
    """Another performance holds the speaker."""


class RuntimeFolderError(LatentResonanceError):
    """The folder of the socket cannot be created or written."""


def lock_speaker(socket_path: Path) -> IO[str]:
    """Lock the speaker, beside the socket; the lock is released when the process ends.

    Raises
    ------
    SpeakerLockedError
        Another performance holds the lock.
    RuntimeFolderError
        The lock file cannot be created.
    """
    try:
        socket_path.parent.mkdir(parents=True, exist_ok=True)
        lock = socket_path.with_suffix(".lock").open("a+")
    except OSError as error:
        raise RuntimeFolderError(
            f"{socket_path.parent}: cannot be used ({error.strerror}); set socket_path to a "
            "place in a folder that can be written, such as /run/latent-resonance/face.sock"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise SpeakerLockedError(
            f"another performance (process {holder}) holds the speaker; "
            "stop it first, or give this one its own socket_path"
        ) from error
    with contextlib.suppress(OSError):  # on a full disk the process ID is not recorded
        os.ftruncate(lock.fileno(), 0)
        os.write(lock.fileno(), str(os.getpid()).encode())
    return lock
