"""Unix sockets on the file system, created with the permissions of their folder.

The voice binds them; the eye and the monitor send to them. In: a path. Out: a socket.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from latent_resonance import LatentResonanceError

MAX_PATH_BYTES = 107  # bytes; sockaddr_un holds 108 with the closing zero (unix(7))
LOCK_TIMEOUT_S, LOCK_INTERVAL_S = 1.0, 0.02
BACKLOG = 4  # of connections that are not yet accepted


class SocketPathTooLongError(LatentResonanceError, ValueError):
    """The path does not fit into a socket address."""

    exit_code = 2


class SocketInUseError(LatentResonanceError):
    """Another process listens on this path, or it is not a socket."""

    def __init__(self, path: Path, reason: str = "another performance is listening there") -> None:
        super().__init__(f"{path} is in use: {reason}; stop it, or set another socket_path")
        self.path = path


def bind_socket(path: Path, kind: int) -> socket.socket:
    """A socket of a type (SOCK_DGRAM, SOCK_SEQPACKET), bound to a path.

    Only its owner may write to it. If the folder is open to its group and closed to others, the
    group may write too, which lets each process of an installation run as its own user. A
    missing folder is created for its owner alone; the socket of a dead process is replaced.

    Raises
    ------
    SocketInUseError
        Another process listens there, or the path is not a socket.
    SocketPathTooLongError
        The path does not fit into a socket address.
    """
    checked_address(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.parent):
        _remove_stale(path, kind)
        return _create(path, kind)


def checked_address(path: Path) -> str:
    """The path as a socket address.

    Raises
    ------
    SocketPathTooLongError
        The path does not fit into a socket address.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise SocketPathTooLongError(
            f"socket_path has {len(os.fsencode(path))} bytes, a Unix socket's path at most "
            f"{MAX_PATH_BYTES}: {path}; choose a shorter one"
        )
    return str(path)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder, so that two simultaneous starts do not replace each other's socket.

    Raises
    ------
    SocketInUseError
        Another program holds the lock for longer than a start takes.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        end_s = time.monotonic() + LOCK_TIMEOUT_S
        while not _try_lock(descriptor):
            if time.monotonic() > end_s:
                raise SocketInUseError(folder, "another program has locked the folder")
            time.sleep(LOCK_INTERVAL_S)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_stale(path: Path, kind: int) -> None:
    """Remove the socket of a dead process; raise if anything else is at `path`."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketInUseError(path, "it is not a socket and is left as it is")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        failure = probe.connect_ex(str(path))
    if failure != errno.ECONNREFUSED:
        raise SocketInUseError(path)
    path.unlink()


def _is_group_only(folder: Path) -> bool:
    """Whether the group may enter a folder and others may not."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IXGRP) and not mode & stat.S_IXOTH


def _create(path: Path, kind: int) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, kind)
    try:
        # On Linux the file takes the mode of the socket at bind(), so that others can never
        # write to it, not even briefly.
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        listener.bind(str(path))
        if kind != socket.SOCK_DGRAM:
            listener.listen(BACKLOG)
        if _is_group_only(path.parent):
            path.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
    except OSError:
        listener.close()
        raise
    return listener
