"""The signals that stop a performance, or make it reload settings and pack."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StopSignals:
    """Events that are set by signals.

    Attributes
    ----------
    started : set when the main loop is about to look at `stop`; until then SIGINT and SIGTERM exit
    """

    stop: threading.Event = field(default_factory=threading.Event)  # SIGINT, SIGTERM
    reload: threading.Event = field(default_factory=threading.Event)  # SIGHUP
    started: threading.Event = field(default_factory=threading.Event)


def install_stop_signals() -> StopSignals:
    """Install the handlers (main thread).

    A terminal that is closed sends SIGHUP too; the standard error is then no terminal any more,
    and the signal means to stop.
    """
    signals = StopSignals()
    had_terminal = sys.stderr.isatty()

    def on_hangup() -> None:
        terminal_closed = had_terminal and not os.isatty(sys.stderr.fileno())
        (signals.stop if terminal_closed else signals.reload).set()

    def on_stop(number: int) -> None:
        if not signals.started.is_set():  # while a pack is being opened, which takes seconds
            sys.exit(128 + number)
        signals.stop.set()

    signal.signal(signal.SIGINT, lambda number, _: on_stop(number))
    signal.signal(signal.SIGTERM, lambda number, _: on_stop(number))
    signal.signal(signal.SIGHUP, lambda *_: on_hangup())
    return signals
