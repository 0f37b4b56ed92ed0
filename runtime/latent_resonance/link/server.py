"""The voice's end of the link: a socket on which monitors call, are told, and ask.

Lives on the voice's telling thread, which never waits for a monitor: what one does not take is
dropped, and the rest goes on.
"""

from __future__ import annotations

import contextlib
import select
import socket
from collections.abc import Iterator
from pathlib import Path

from latent_resonance.link.requests import LARGEST, Request, RequestError, decode
from latent_resonance.linux.unix_socket import bound

MOST_MONITORS = 4
MOST_REQUESTS = 16  # of one monitor at once; the rest waits
QUEUE_BYTES = 64 * 1024  # some two seconds; who is further behind misses some


def monitor_path(socket_path: Path) -> Path:
    """Where monitors call, beside the socket on which an eye writes."""
    return socket_path.with_name("monitor.sock")


class Listener:
    """Whoever has called.

    Raises
    ------
    SocketTaken, SocketPathTooLong
        Nobody could call at this path.

    Attributes
    ----------
    dropped : messages that a monitor did not take in time
    refused : requests that broke a rule
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listening = bound(path, socket.SOCK_SEQPACKET)
        self._listening.setblocking(False)
        self._inode = path.stat().st_ino
        self._monitors: list[socket.socket] = []
        self.dropped = self.refused = 0

    @property
    def watched(self) -> bool:
        """Whether anybody has called."""
        return bool(self._monitors)

    def wait(self, timeout_s: float) -> None:
        """Until somebody calls or asks, or for so long."""
        select.select([self._listening, *self._monitors], [], [], timeout_s)

    def answer(self) -> bool:
        """Takes the calls that wait; returns whether there were any."""
        called = False
        with contextlib.suppress(BlockingIOError):
            while True:
                monitor, _ = self._listening.accept()
                if len(self._monitors) >= MOST_MONITORS:
                    monitor.close()
                    continue
                monitor.setblocking(False)
                monitor.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, QUEUE_BYTES)
                self._monitors.append(monitor)
                called = True
        return called

    def tell(self, message: bytes) -> None:
        """A message for everybody who has called."""
        for monitor in list(self._monitors):
            try:
                monitor.send(message)
            except BlockingIOError:
                self.dropped += 1
            except OSError:
                self._forget(monitor)

    def asked(self) -> Iterator[Request]:
        """The requests that have come; those that break a rule are counted and dropped."""
        for monitor in list(self._monitors):
            for data in self._messages(monitor):
                try:
                    yield decode(data)
                except RequestError:
                    self.refused += 1

    def close(self) -> None:
        """Hangs up, and removes the socket's file if it is still this listener's own."""
        for monitor in list(self._monitors):
            self._forget(monitor)
        self._listening.close()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _messages(self, monitor: socket.socket) -> Iterator[bytes]:
        with contextlib.suppress(BlockingIOError):
            for _ in range(MOST_REQUESTS):
                try:
                    data = monitor.recv(LARGEST + 1)
                except ConnectionError:
                    data = b""
                if not data:
                    self._forget(monitor)
                    return
                yield data

    def _forget(self, monitor: socket.socket) -> None:
        monitor.close()
        self._monitors.remove(monitor)
