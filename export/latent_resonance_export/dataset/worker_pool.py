"""Runs tasks on all cores, one process per core, and yields results as they arrive.

A decoder may crash on a hostile file and end its process, or never return: after LIMIT_S its
process is ended. The task that caused it is found and gets the result None; the others continue.
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
Result = TypeVar("Result")
LIMIT_S = 900  # for one task


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerPool:
    """Worker processes, started on first use and stopped at the end of the context."""

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

    def map_unordered(
        self, work: Callable[[Task], Result], tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Result | None]]:
        """(index of a task, its result), in the order of completion.

        The result is None if the task ended its process.
        """
        pending = dict(enumerate(tasks))
        while pending:
            yield from self._submit_all(work, pending, self.jobs)
            if pending:  # with one process, in order: the first remaining task is the cause
                yield from self._submit_all(work, pending, 1)
                self._end()
            if pending:
                crashed = next(iter(pending))
                del pending[crashed]
                yield crashed, None

    def _submit_all(
        self, work: Callable[[Task], Result], pending: dict[int, Task], processes: int
    ) -> Iterator[tuple[int, Result]]:
        """Results until all are done or a process dies; removes done tasks from `pending`."""
        if self._pool is None:
            context = get_context("spawn")  # fork would copy the threads and locks of libraries
            self._pool = ProcessPoolExecutor(processes, context, initializer=_init_worker)
        try:
            futures = {
                self._pool.submit(_limited, work, task): index for index, task in pending.items()
            }
            for future in as_completed(futures):
                result = future.result()
                del pending[futures[future]]
                yield futures[future], result
        except BrokenProcessPool:
            self._end()

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _limited(work: Callable[[Task], Result], task: Task) -> Result:
    """Does the work; SIGALRM ends the process if it takes too long, even inside a library."""
    signal.alarm(LIMIT_S)
    try:
        return work(task)
    finally:
        signal.alarm(0)


def _init_worker() -> None:
    """Leaves Ctrl-C to the parent, and exits when the parent is killed.

    Discards standard error, where decoders would write into the progress bar; errors are
    reported by their codes as well.
    """
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
