"""How long-running work reports its progress."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")
ProgressCallback = Callable[[str, int, int], None]  # stage, newly done, total


def no_progress(stage: str, done: int, total: int) -> None:
    """Ignores the progress."""


def counted(
    items: Iterable[Item], stage: str, total: int, progress: ProgressCallback
) -> Iterator[Item]:
    """Yields the items and reports each as done when the next one is requested."""
    progress(stage, 0, total)
    for item in items:
        yield item
        progress(stage, 1, total)
