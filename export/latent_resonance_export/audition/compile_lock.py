"""Lets one process at a time fill numba's cache.

Two processes that compile librosa's generalized ufuncs for the first time at once leave a file in
the cache that crashes each later process that loads it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def lock_file() -> Path:
    """The file whose lock the compiling process holds: the user's, since the cache is."""
    folder = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(folder) / "latent-resonance" / "numba.lock"


@contextmanager
def compiling_alone(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock; without a lock where none can be written."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        file = path.open("a")
    except OSError:
        yield
        return
    with file:  # closing it releases the lock, as the end of the process does
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
