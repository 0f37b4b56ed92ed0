"""Detects changes of a file by its inode, size and modification time.

The voice's supervision thread and the eye's loop watch the settings file, each with its own
`WatchedFile`.
"""

from __future__ import annotations

from pathlib import Path


class WatchedFile:
    """Reports that a file has changed, once it has stopped changing.

    Parameters
    ----------
    path : None is a file that never changes
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.reported = self.latest = self._signature()

    def changed(self) -> bool:
        """Whether the file differs from the last report and was stable since the last call."""
        previous, self.latest = self.latest, self._signature()
        if self.latest in (None, self.reported) or self.latest != previous:
            return False
        self.reported = self.latest
        return True

    def _signature(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat() if self.path else None
        except OSError:  # briefly missing, as when an editor replaces it
            return None
        return (status.st_ino, status.st_size, status.st_mtime_ns) if status else None
