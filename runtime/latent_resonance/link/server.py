"""The voice's end of the link: a socket that sends telemetry to monitors and takes requests.

Runs on the voice's telemetry thread, which never blocks on a monitor: a message that one does not
take in time is dropped for it.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from latent_resonance.link.requests import MAX_BYTES, Request, RequestError, decode
from latent_resonance.linux.unix_socket import bind_socket

MAX_MONITORS = 4
MAX_REQUESTS = 16  # of one monitor per call; the rest waits
SEND_BUFFER_BYTES = 64 * 1024  # about two seconds; a slower monitor misses messages


def monitor_path(socket_path: Path) -> Path:
    """Path of the socket that monitors connect to, beside the eye's `socket_path`."""
    return socket_path.with_name("monitor.sock")


def _listening_on(path: Path) -> tuple[socket.socket, int]:
    """(a listening socket that does not block, the inode of its file)."""
    listening = bind_socket(path, socket.SOCK_SEQPACKET)
    listening.setblocking(False)
    return listening, path.stat().st_ino


class MonitorServer:
    """The connected monitors.

    Raises
    ------
    SocketInUseError, SocketPathTooLongError
        No monitor could connect to this path.

    Attributes
    ----------
    dropped : messages that a monitor did not take in time
    rejected : requests that broke a rule
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._listening, self._inode = _listening_on(path)
        self._monitors: list[socket.socket] = []
        self._ended: list[socket.socket] = []  # closed by their monitors, and not read to the end
        self.dropped = self.rejected = 0

    def rebind_if_removed(self) -> None:
        """Make the socket anew if its file is gone, as with its folder; keep the connections.

        Raises
        ------
        SocketInUseError, OSError
            It cannot be made.
        """
        if not os.path.lexists(self._path):
            former = self._listening
            self._listening, self._inode = _listening_on(self._path)
            former.close()

    @property
    def connected(self) -> bool:
        """Whether any monitor is connected."""
        return bool(self._monitors)

    def wait(self, timeout_s: float) -> None:
        """Wait for a connection or a request, at most `timeout_s`."""
        select.select([self._listening, *self._ended, *self._monitors], [], [], timeout_s)

    def accept(self) -> bool:
        """Accept the waiting connections; return whether there were any."""
        accepted = False
        with contextlib.suppress(BlockingIOError):
            while True:
                monitor, _ = self._listening.accept()
                if len(self._monitors) >= MAX_MONITORS:
                    monitor.close()
                    continue
                monitor.setblocking(False)
                monitor.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
                self._monitors.append(monitor)
                accepted = True
        return accepted

    def broadcast(self, message: bytes) -> None:
        """Send a message to every connected monitor.

        What one sent before it closed its end is still read.
        """
        for monitor in list(self._monitors):
            try:
                monitor.send(message)
            except BlockingIOError:
                self.dropped += 1
            except ConnectionError:
                self._monitors.remove(monitor)
                self._ended.append(monitor)
            except OSError:
                self._disconnect(monitor)

    def requests(self) -> Iterator[Request]:
        """The requests received; those that break a rule are counted and dropped."""
        for monitor in [*self._ended, *self._monitors]:
            for data, files in self._messages(monitor):
                try:
                    request = decode(data)
                except RequestError:
                    self.rejected += 1
                    _close(files)
                    continue
                if request.kind == "take" and files:
                    yield replace(request, file=files[0])
                else:
                    _close(files)
                    yield request

    def close(self) -> None:
        """Close all connections, and remove the socket file if it is still this server's own."""
        for monitor in [*self._ended, *self._monitors]:
            self._disconnect(monitor)
        self._listening.close()
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_ino == self._inode:
                self._path.unlink()

    def _messages(self, monitor: socket.socket) -> Iterator[tuple[bytes, list[int]]]:
        """Messages, and the descriptors that came with each: at most one."""
        with contextlib.suppress(BlockingIOError):
            for _ in range(MAX_REQUESTS):
                data, files = _receive(monitor)
                if not data:
                    _close(files)
                    self._disconnect(monitor)
                    return
                yield data, files

    def _disconnect(self, monitor: socket.socket) -> None:
        monitor.close()
        (self._ended if monitor in self._ended else self._monitors).remove(monitor)


def _receive(monitor: socket.socket) -> tuple[bytes, list[int]]:
    """A message and its descriptors; nothing at the end.

    Not by `socket.recv_fds`, which ignores the flag that keeps them from child processes. A monitor
    that closed its end before it had read everything is an error, once; then comes what it sent.
    """
    room = socket.CMSG_LEN(array("i").itemsize)
    for _ in range(2):
        with contextlib.suppress(ConnectionError):
            data, ancillary, _flags, _address = monitor.recvmsg(
                MAX_BYTES + 1, room, socket.MSG_CMSG_CLOEXEC
            )
            return data, [file for _level, _type, held in ancillary for file in array("i", held)]
    return b"", []


def _close(files: list[int]) -> None:
    for file in files:
        os.close(file)
