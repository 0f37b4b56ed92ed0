"""The signals that stop a performance, or make it reload settings and pack."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StopSignals:
    """Events that are set by signals."""

    stop: threading.Event = field(default_factory=threading.Event)  # SIGINT, SIGTERM
    reload: threading.Event = field(default_factory=threading.Event)  # SIGHUP


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

    signal.signal(signal.SIGINT, lambda *_: signals.stop.set())
    signal.signal(signal.SIGTERM, lambda *_: signals.stop.set())
    signal.signal(signal.SIGHUP, lambda *_: on_hangup())
    return signals
