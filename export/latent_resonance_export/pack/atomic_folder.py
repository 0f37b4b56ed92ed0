"""A folder that appears whole or not at all, and replaces an older one in one step.

    models/.mine.part/pack/   where models/mine is made: two deep, so that it is no pack yet

A process that is killed leaves that folder behind; the next one for the same pack begins `pack/`
anew and finds whatever else was kept beside it.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path
from typing import Self

from latent_resonance_export.pack import ConversionError

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


class Staging:
    """Where a pack is made before it takes its place.

    Attributes
    ----------
    pack : empty, on the same file system as the place
    work : what outlives an interruption; gone once the pack is in place
    """

    def __init__(self, place: Path) -> None:
        self.place = place.resolve()  # beside what a link leads to, on the same file system
        self.work = self.place.parent / f".{self.place.name}.part"
        self.pack, self.old = self.work / "pack", self.work / "old"
        if self.old.exists() and not place.exists():
            self.old.rename(self.place)  # a replacement was interrupted between its two steps
        if not may_be_replaced(place):
            raise ConversionError(f"{place} is there and is no pack; name another folder by -o")

    def __enter__(self) -> Self:
        self._clear()
        self.pack.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        if self.work.exists():
            self._clear()
        if self.work.exists() and not any(self.work.iterdir()):
            self.work.rmdir()

    def _clear(self) -> None:
        for left in (self.pack, self.old):
            shutil.rmtree(left, ignore_errors=True)

    def finish(self) -> None:
        """Puts the pack in its place; an older one gives way."""
        if self.place.exists() and not exchange(self.pack, self.place):
            self.place.rename(self.old)
        if self.pack.exists() and not self.place.exists():
            self.pack.rename(self.place)
        shutil.rmtree(self.work)


def may_be_replaced(place: Path) -> bool:
    """A pack, an empty folder, or nothing."""
    if not place.is_dir():
        return not place.exists()
    return (place / "pack.yaml").is_file() or not any(place.iterdir())


def exchange(a: Path, b: Path) -> bool:
    """Swaps two folders in one step, as only Linux can; False where that is not possible."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    return rename(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) == 0
