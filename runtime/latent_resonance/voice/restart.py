"""The rule for what may fail while it plays: one sentence, a pause, and again; the sound goes on.

Only synthesis may end a performance. What a thread works on is made anew by its loop, or belongs to
objects that stay as they were.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from latent_resonance.config.boundary import shown

PAUSE_S = 1.0  # a fault that stays, such as too few file descriptors, must not cost a core


class FailureLog:
    """Logs what has failed, each part's reason once in a row."""

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._last: dict[str, str] = {}  # reason, by part

    def add(self, part: str, error: Exception) -> None:
        """Log that a part has failed and is tried again (any thread)."""
        words = shown(" ".join(str(error).split())) or "no reason given"
        reason = f"{type(error).__name__}: {words}"
        if self._last.get(part) != reason:
            self._last[part] = reason
            self._log(f"{part} failed ({reason}); trying again, playing on")

    @contextmanager
    def survived(self, part: str) -> Iterator[None]:
        """Log an exception of the `with` block instead of raising it."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the sound
            self.add(part, error)


def keep_running(
    name: str, loop: Callable[[], None], stop: threading.Event, failures: FailureLog
) -> None:
    """Run a thread's loop until it returns or `stop` is set, again after each exception."""
    while not stop.is_set():
        try:
            return loop()
        except Exception as error:  # noqa: BLE001 - as above
            if not stop.is_set():  # what it works on may be closed already
                failures.add(f"the thread {name}", error)
            stop.wait(PAUSE_S)
    return None
