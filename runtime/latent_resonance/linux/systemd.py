"""Service notifications to systemd: ready, status line, watchdog, stopping (sd_notify(3)).

Standard library only. The eye's loop, the voice's main thread and the monitor each create one
`Notifier`; the eye does so before it drops its network, which abstract addresses belong to. In:
NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Out: datagrams; none without NOTIFY_SOCKET.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Iterable, Mapping

FEEDS_PER_DEADLINE = 4  # systemd recommends at least two
MAX_STATUS_CHARACTERS = 200  # one line of `systemctl status`
MIN_PART = 20  # characters to which a part of it may be shortened


def status_line(parts: Iterable[str], limit: int = MAX_STATUS_CHARACTERS) -> str:
    """Parts of a status in one line, each with its decisive words, which are its first.

    If the line is too long, explanations in brackets at the end of a part go first, then the end of
    the longest part.
    """
    kept = [" ".join(part.split()) for part in parts]
    if len(", ".join(kept)) > limit:
        kept = [re.sub(r" \(.*\)$", "", part) for part in kept]
    while (excess := len(", ".join(kept)) - limit) > 0 and max(map(len, kept)) > MIN_PART:
        longest = max(range(len(kept)), key=lambda i: len(kept[i]))
        length = max(len(kept[longest]) - excess - 2, MIN_PART - 2)
        kept[longest] = f"{kept[longest][:length].rstrip(' ,;…')} …"
    return ", ".join(kept)[:limit]


class Notifier:
    """The service's side of Type=notify; every method may be called at any rate.

    Parameters
    ----------
    environment
        Source of the variables.

    Attributes
    ----------
    watchdog_s
        Seconds without `alive` after which systemd kills the service; None without a watchdog.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._socket = _connect(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environment)
        self._status = ""
        self._ready = False
        self._fed_s = -float("inf")

    @property
    def connected(self) -> bool:
        """Whether systemd receives the notifications."""
        return self._socket is not None

    def ready(self) -> None:
        """The main loop runs; sent by the first call only."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for people, sent if it has changed."""
        line = " ".join(text.split())[:MAX_STATUS_CHARACTERS]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def alive(self) -> None:
        """The main loop has advanced; sent FEEDS_PER_DEADLINE times per watchdog deadline."""
        now_s = time.monotonic()
        if self.watchdog_s and now_s - self._fed_s >= self.watchdog_s / FEEDS_PER_DEADLINE:
            self._fed_s = now_s
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service exits on purpose."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        """Never blocks and never raises, even if the receiver is busy or gone."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(message.encode(errors="replace"))  # of file names


def _connect(address: str) -> socket.socket | None:
    """A socket connected to a path, or to an abstract name, written with an @."""
    if not address.startswith(("/", "@")):
        return None
    abstract = address.startswith("@")
    client = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    client.setblocking(False)
    try:
        client.connect(f"\0{address[1:]}" if abstract else address)
    except OSError:
        client.close()
        return None
    return client


def _watchdog_s(environment: Mapping[str, str]) -> float | None:
    """WATCHDOG_USEC in seconds, if set for this process (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
