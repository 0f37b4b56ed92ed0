"""How far an audition has come, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Progress = Callable[[str, int, int], None]  # what is being done, how much more is done, of how much
Item = TypeVar("Item")


def silent(stage: str, done: int, total: int) -> None:
    """Shows nothing."""


def counted(items: Iterable[Item], stage: str, total: int, progress: Progress) -> Iterator[Item]:
    """The same items; each is told when the next is asked for."""
    progress(stage, 0, total)
    for item in items:
        yield item
        progress(stage, 1, total)
