"""What others may ask of a performance from outside: to leave, or to read its settings again."""

from __future__ import annotations

import os
import signal
import sys
import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class StopSignals:
    """Set by signals, read by the threads."""

    leave: threading.Event = field(default_factory=threading.Event)  # SIGINT, SIGTERM
    reload: threading.Event = field(default_factory=threading.Event)  # SIGHUP


def install_stop_signals() -> StopSignals:
    """Installs the handlers (main thread).

    A terminal that is closed sends SIGHUP too, but then is none any more: that is to leave.
    """
    signals = StopSignals()
    had_a_terminal = sys.stderr.isatty()

    def hung_up() -> None:
        closed = had_a_terminal and not os.isatty(sys.stderr.fileno())
        (signals.leave if closed else signals.reload).set()

    signal.signal(signal.SIGINT, lambda *_: signals.leave.set())
    signal.signal(signal.SIGTERM, lambda *_: signals.leave.set())
    signal.signal(signal.SIGHUP, lambda *_: hung_up())
    return signals
