"""Ends a network's run that takes too long, from another thread.

One daemon thread a process, made by the first run, looks at the runs in progress ten times a
second. ONNX Runtime reads `terminate` between two nodes and in each step of a loop.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

DEADLINE_S = 5.0  # a run takes 0.4 s on the slowest board
CHECK_INTERVAL_S = 0.1


class RunOptions(Protocol):
    """What a deadline needs of `onnxruntime.RunOptions`."""

    terminate: bool


class DeadlineError(TimeoutError):
    """A run was ended because it took too long."""


class RunWatch:
    """The runs in progress, and when each of them has to have ended."""

    def __init__(self) -> None:
        self.runs: dict[int, tuple[RunOptions, float]] = {}  # by thread, which has one at a time
        threading.Thread(target=self._watch, name="end_runs", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(CHECK_INTERVAL_S)
            for options, end_s in list(self.runs.values()):
                if time.monotonic() > end_s:
                    options.terminate = True


@functools.cache
def _watch() -> RunWatch:
    return RunWatch()


@contextmanager
def run_deadline(options: RunOptions, deadline_s: float = DEADLINE_S) -> Iterator[None]:
    """End the run of this thread that begins with `options` after deadline_s.

    Raises
    ------
    DeadlineError
        It was ended.
    """
    runs, thread = _watch().runs, threading.get_ident()
    runs[thread] = options, time.monotonic() + deadline_s
    try:
        yield
    except Exception as error:
        if options.terminate:
            raise DeadlineError(f"no result within {deadline_s:g} s, ended") from error
        raise
    finally:
        del runs[thread]
