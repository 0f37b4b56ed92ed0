"""Standby, for the eye: a file beside the voice's socket that exists while the camera stays closed.

The one thing that the voice tells the eye. The voice makes and removes the file; the eye, which may
write none, looks for it. It outlives a voice that has crashed, unless the folder ends with it.
"""

from __future__ import annotations

from pathlib import Path


def standby_path(socket_path: Path) -> Path:
    """The file beside the socket on which the voice receives."""
    return socket_path.with_name("standby")


class StandbyFile:
    """The voice's end: makes and removes the file.

    Attributes
    ----------
    on : whether the file exists; true from the start if another voice has left it
    """

    def __init__(self, path: Path) -> None:
        self.path, self.on = path, path.exists()

    def set(self, *, on: bool) -> None:
        """Make or remove the file, if that changes anything; with its folder, if that is gone.

        Raises
        ------
        OSError
            The folder cannot be written.
        """
        if on and not self.path.exists():
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch()
        elif self.on and not on:
            self.path.unlink(missing_ok=True)
        self.on = on


class StandbyWatch:
    """The eye's end: whether the file exists, or did when its folder was last there."""

    def __init__(self, path: Path) -> None:
        self.path, self._on = path, False

    def on(self) -> bool:
        """Look at the file; a folder that cannot be read changes nothing."""
        try:
            self.path.parent.stat()
            self._on = self.path.exists()
        except OSError:  # the voice is gone, and its folder with it
            pass
        return self._on
