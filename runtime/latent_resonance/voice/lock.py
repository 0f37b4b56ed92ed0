"""One performance at a time holds the speaker."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from latent_resonance import LatentResonanceError


class SpeakerHeldError(LatentResonanceError):
    """Another performance holds the speaker."""


def hold_the_speaker(socket_path: Path) -> IO[str]:
    """A lock that one performance at a time can hold; it goes with the process.

    Raises
    ------
    SpeakerHeldError
        Another performance holds it.
    """
    socket_path.parent.mkdir(parents=True, exist_ok=True)
    lock = socket_path.with_suffix(".lock").open("a+")
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
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
