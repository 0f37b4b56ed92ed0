"""Finds the files in a folder that may be recordings.

Paths are untrusted: links may leave the folder, names may contain any byte.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from latent_resonance_export.dataset.recordings.audio_file import one_line
from latent_resonance_export.dataset.rejection import Reason, Rejection

TABLES = {"licenses.csv", "licences.csv"}
SIDECARS = (".license", ".licence")


def find_recordings(sounds: Path) -> tuple[list[Path], list[Rejection]]:
    """The files below a folder, sorted by name, and what is not opened."""
    found: list[Path] = []
    rejected: list[Rejection] = []
    for path in sorted(_files(sounds, rejected)):
        if why := _reason_not_to_open(path, sounds):
            rejected.append(Rejection(display_name(path, sounds), 0.0, *why))
        else:
            found.append(path)
    return found, rejected


def _reason_not_to_open(path: Path, sounds: Path) -> tuple[Reason, str] | None:
    if path.is_symlink():
        where = "a link into" if _is_inside(path, sounds) else "a link that leaves"
        return Reason.LINK, f"{where} the folder"
    if path.name.startswith("."):
        return Reason.HIDDEN, "a hidden folder" if path.is_dir() else "a hidden file"
    if not stat.S_ISREG(path.lstat().st_mode):
        return Reason.NOT_SOUND, "a pipe, socket or device"
    if path.name.lower() in TABLES or path.name.lower().endswith(SIDECARS):
        return Reason.NOT_SOUND, "licences, which are read from it"
    return None


def _files(sounds: Path, rejected: list[Rejection]) -> Iterator[Path]:
    """Everything but folders that are entered; links and hidden folders are not."""

    def on_error(error: OSError) -> None:
        source = display_name(Path(os.fsdecode(error.filename)), sounds)
        rejected.append(Rejection(source, 0.0, Reason.BROKEN, one_line(error.strerror)))

    for folder, subfolders, names in os.walk(sounds, onerror=on_error):
        closed = [n for n in subfolders if n.startswith(".") or Path(folder, n).is_symlink()]
        for name in closed:
            subfolders.remove(name)
        yield from (Path(folder, name) for name in [*closed, *names])


def _is_inside(link: Path, sounds: Path) -> bool:
    try:
        return link.resolve().is_relative_to(sounds.resolve())
    except (OSError, RuntimeError):  # a link to itself
        return False


def display_name(path: Path, sounds: Path) -> str:
    """A path relative to the folder, as printable text."""
    raw = os.fsencode(path.relative_to(sounds).as_posix())
    text = raw.decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
