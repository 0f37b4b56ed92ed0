"""Ctrl-C while training: the step is finished and saved first."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
IMPATIENCE_S = 1.0  # a second Ctrl-C after this does not wait; one before is the same, twice


class Stop:
    """Whether a signal has asked to stop."""

    def __init__(self) -> None:
        self.asked = False
        self._asked_s = 0.0

    def ask(self, _number: int, _frame: FrameType | None) -> None:
        """Notes a signal.

        Raises
        ------
        KeyboardInterrupt
            It has been asked before, and nothing has come of it.
        """
        now = time.monotonic()
        if self.asked and now - self._asked_s > IMPATIENCE_S:
            raise KeyboardInterrupt
        if not self.asked:
            self.asked, self._asked_s = True, now


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Until it is left, Ctrl-C and SIGTERM are noted instead of raised."""
    stop = Stop()
    with handled_by(stop.ask):
        yield stop


@contextmanager
def handled_by(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Gives both signals to a handler; only a main thread may."""
    if current_thread() is not main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, usual in before.items():
            signal.signal(number, usual)
