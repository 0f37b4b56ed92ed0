"""Notices that a file has been changed, by its place on the disk, its size and its date.

Used for the settings by the voice's caring thread and by the eye's loop, each in its own time.
"""

from __future__ import annotations

from pathlib import Path


class WatchedFile:
    """Notices that a file has been changed, once it has stopped changing.

    Parameters
    ----------
    path : None is a file that never changes
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.known = self.seen = self._look()

    def changed(self) -> bool:
        """Whether it is another since the last time, and the same as at the last look."""
        before, self.seen = self.seen, self._look()
        if self.seen in (None, self.known) or self.seen != before:
            return False
        self.known = self.seen
        return True

    def _look(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat() if self.path else None
        except OSError:  # gone for a moment, as when an editor replaces it
            return None
        return (status.st_ino, status.st_size, status.st_mtime_ns) if status else None
