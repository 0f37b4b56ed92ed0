"""Work on all cores: one process a core, each answer as soon as it is there.

A decoder may crash on a hostile file and take its process with it: the task that did it is
found and answered with None, and the others go on.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from types import TracebackType
from typing import Self, TypeVar

Task = TypeVar("Task")
Answer = TypeVar("Answer")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Workers:
    """Processes that wait for work; begun when there is some, ended with the context."""

    def __init__(self, jobs: int) -> None:
        self.jobs = jobs
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end()

    def each(
        self, work: Callable[[Task], Answer], tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Answer | None]]:
        """(index of a task, its answer), in the order in which they are done.

        The answer is None where the task ended the process that worked on it.
        """
        waiting = dict(enumerate(tasks))
        while waiting:
            yield from self._spread(work, waiting, self.jobs)
            if waiting:  # one process, in order: the first that is left then did it
                yield from self._spread(work, waiting, 1)
                self._end()
            if waiting:
                guilty = next(iter(waiting))
                del waiting[guilty]
                yield guilty, None

    def _spread(
        self, work: Callable[[Task], Answer], waiting: dict[int, Task], processes: int
    ) -> Iterator[tuple[int, Answer]]:
        """Answers until all are there or a process died; what is answered leaves `waiting`."""
        if self._pool is None:
            context = get_context("spawn")  # a fork copies threads and locks of what is loaded
            self._pool = ProcessPoolExecutor(processes, context, initializer=_begin)
        try:
            futures = {self._pool.submit(work, task): index for index, task in waiting.items()}
            for future in as_completed(futures):
                answer = future.result()
                del waiting[futures[future]]
                yield futures[future], answer
        except BrokenProcessPool:
            self._end()

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _begin() -> None:
    """Ctrl-C is for the parent to hear; when the parent is killed, its workers leave too.

    What decoders write to standard error would end up in the middle of a progress bar; what is
    wrong with a file they say by their error codes too.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
