"""Ends a network's run that takes too long, from another thread.

One daemon thread a process, made by the first run, looks at the runs in progress ten times a
second. ONNX Runtime reads `terminate` between two nodes; a run that never leaves a node cannot be
ended, and its thread is *stuck*. A network of which a run took too long is *overdue*.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol
from weakref import WeakSet

DEADLINE_S = 5.0  # a run takes 0.4 s on the slowest board
CHECK_INTERVAL_S = 0.1
GRACE_S = 1.0  # a node takes 0.1 s on the slowest board


class RunOptions(Protocol):
    """What a deadline needs of `onnxruntime.RunOptions`."""

    terminate: bool


class DeadlineError(TimeoutError):
    """A run was ended because it took too long."""


@dataclass
class Run:
    """A run in progress.

    Attributes
    ----------
    end_s : when it has to have ended
    ended_s : when `terminate` was set; None until then
    """

    network: object
    options: RunOptions
    end_s: float
    ended_s: float | None = None


class RunWatch:
    """The runs in progress, and the networks that are overdue."""

    def __init__(self) -> None:
        self.runs: dict[int, Run] = {}  # by thread, which has one at a time
        self.overdue: WeakSet[object] = WeakSet()
        threading.Thread(target=self._watch, name="end_runs", daemon=True).start()

    def _watch(self) -> None:
        while True:
            time.sleep(CHECK_INTERVAL_S)
            self._end_runs()  # a function, whose `run` does not keep a network between two calls

    def _end_runs(self) -> None:
        for run in list(self.runs.values()):
            if run.ended_s is None and time.monotonic() > run.end_s:
                self.overdue.add(run.network)
                run.options.terminate = True
                run.ended_s = time.monotonic()


@functools.cache
def _watch() -> RunWatch:
    return RunWatch()


@contextmanager
def run_deadline(
    network: object, options: RunOptions, deadline_s: float | None = None
) -> Iterator[None]:
    """End the run of a network that this thread begins after deadline_s, or DEADLINE_S.

    Raises
    ------
    DeadlineError
        It was ended, or came to its end too late.
    """
    deadline_s = deadline_s or DEADLINE_S
    runs, thread = _watch().runs, threading.get_ident()
    run = runs[thread] = Run(network, options, time.monotonic() + deadline_s)
    cause: Exception | None = None
    try:
        yield
    except Exception as error:
        cause = error
        if run.ended_s is None:
            raise
    finally:
        del runs[thread]
    try:
        if run.ended_s is not None:
            raise DeadlineError(f"no result within {deadline_s:g} s, ended") from cause
    finally:
        del cause  # it holds this frame, and so the network, until a garbage collection


def is_overdue(network: object) -> bool:
    """Whether a run of a network took too long."""
    return network in _watch().overdue


def is_stuck(thread: int | None) -> bool:
    """Whether the run of a thread, given by its `ident`, goes on after `terminate` was set."""
    run = _watch().runs.get(thread or 0)
    return run is not None and run.ended_s is not None and time.monotonic() > run.ended_s + GRACE_S
