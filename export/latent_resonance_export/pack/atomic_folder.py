"""A folder that appears complete or not at all, and replaces an older one in one step.

    models/.mine.part/new/   models/mine while it is written: two levels deep, so it is no pack yet
    models/.mine.part/...    what a later run can reuse after an interruption

A process that is killed leaves `.mine.part` behind. The next writer of the same folder empties
`new/` and keeps everything else.
"""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path
from typing import Self

AT_FDCWD, RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


class AtomicFolder:
    """Writes a folder beside its target and moves it there when it is complete.

    The caller checks beforehand that the target may be replaced.

    Attributes
    ----------
    new : Path
        Empty on entry, on the same file system as the target.
    work : Path
        Survives an interruption; removed by `commit`.
    """

    def __init__(self, target: Path) -> None:
        self.target = target.resolve()  # a symlink stays; what it points to is replaced
        self.work = self.target.parent / f".{self.target.name}.part"
        self.new, self._old = self.work / "new", self.work / "old"
        self._restore()  # a replacement may have been interrupted between its two renames

    def __enter__(self) -> Self:
        self._clear()
        self.new.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()
        if self.work.exists():
            self._clear()
        if self.work.exists() and not any(self.work.iterdir()):
            self.work.rmdir()

    def commit(self) -> None:
        """Moves the new folder to its target and removes the older one."""
        if self.target.exists() and not exchange(self.new, self.target):
            self.target.rename(self._old)
        if self.new.exists() and not self.target.exists():
            self.new.rename(self.target)
        shutil.rmtree(self.work)

    def _restore(self) -> None:
        if self._old.exists() and not self.target.exists():
            self._old.rename(self.target)

    def _clear(self) -> None:
        for folder in (self.new, self._old):
            shutil.rmtree(folder, ignore_errors=True)


def is_replaceable(folder: Path, marker: str) -> bool:
    """Whether a folder does not exist, is empty, or holds a file named `marker`."""
    if not folder.is_dir():
        return not folder.exists()
    return (folder / marker).is_file() or not any(folder.iterdir())


def exchange(a: Path, b: Path) -> bool:
    """Swaps two folders in one step (Linux only); False where that is not possible."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    if rename is None:
        return False
    return bool(rename(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE) == 0)
