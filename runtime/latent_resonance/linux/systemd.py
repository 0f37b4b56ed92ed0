"""Tells systemd how it goes: ready, a line of status, still alive, leaving (sd_notify(3)).

Standard library only. Used by the eye's loop and by the voice's main thread; each makes one
`Notifier`, the eye before it gives up its network, since an abstract address stays behind. In:
NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID. Out: datagrams; without NOTIFY_SOCKET, nothing.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

FEEDS_PER_DEADLINE = 4  # systemd asks for at least two
LONGEST_STATUS = 200  # characters; one line of `systemctl status`


class Notifier:
    """The service's side of Type=notify; every verb is free to call as often as one likes.

    Parameters
    ----------
    environment
        Where the variables are looked up.

    Attributes
    ----------
    watchdog_s
        Seconds without `alive` after which systemd kills the service; None if it never does.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._socket = _connected(environment.get("NOTIFY_SOCKET", ""))
        self.watchdog_s = _watchdog_s(environment)
        self._status = ""
        self._ready = False
        self._fed_s = -float("inf")

    @property
    def connected(self) -> bool:
        """Whether systemd is there."""
        return self._socket is not None

    def ready(self) -> None:
        """The loop really turns; only the first call says so."""
        if not self._ready:
            self._ready = True
            self._send("READY=1")

    def status(self, text: str) -> None:
        """One line for people, sent when it has changed."""
        line = " ".join(text.split())[:LONGEST_STATUS]
        if line != self._status:
            self._status = line
            self._send(f"STATUS={line}")

    def alive(self) -> None:
        """The loop has advanced; sent a few times within each deadline of the watchdog."""
        now_s = time.monotonic()
        if self.watchdog_s and now_s - self._fed_s >= self.watchdog_s / FEEDS_PER_DEADLINE:
            self._fed_s = now_s
            self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Settings are being read again; the next `ready` ends it."""
        self._ready = False
        self._send(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """It leaves, on purpose."""
        self._send("STOPPING=1")

    def close(self) -> None:
        """Give the socket back."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, message: str) -> None:
        """Never blocks and never raises: whoever listens may be busy or gone."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.send(message.encode())


def _connected(address: str) -> socket.socket | None:
    """A socket to systemd's: a path, or an abstract name, which is written with an @."""
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
    """WATCHDOG_USEC in seconds, if it is meant for this process (sd_watchdog_enabled(3))."""
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        microseconds = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return microseconds / 1e6 if microseconds > 0 else None
