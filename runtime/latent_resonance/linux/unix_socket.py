"""Unix sockets that are files: made safely, for whom their folder is for.

Used by the voice, which listens on them, and by those who send to it. In: a path. Out: a socket.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

from latent_resonance import LatentResonanceError

MAX_PATH_BYTES = 107  # bytes; sockaddr_un holds 108 with the closing zero (unix(7))
BACKLOG = 4  # connections not yet accepted


class SocketPathTooLong(LatentResonanceError, ValueError):  # noqa: N818  # says what is wrong
    """No Unix socket can have this path."""

    exit_code = 2


class SocketInUse(LatentResonanceError):  # noqa: N818  # says what happened, like FileExistsError
    """The voice cannot listen on this path, since something else has it."""

    def __init__(self, path: Path, why: str = "another performance is listening there") -> None:
        super().__init__(f"{path} is taken: {why}; stop it, or set another socket_path")
        self.path = path


def bind_socket(path: Path, kind: int) -> socket.socket:
    """A socket of a kind (SOCK_DGRAM, SOCK_SEQPACKET), bound to a path.

    Only its owner may write to it, unless the folder lets a group in and nobody else: then that
    group may, which is how the processes of a gallery are several users. The folder is made if
    absent, for its owner alone; the socket of a process that died is replaced.

    Raises
    ------
    SocketTaken
        Somebody listens there, or the path is something other than a socket.
    SocketPathTooLong
        No Unix socket can have it.
    """
    checked_address(path)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(path.parent):
        _clear(path, kind)
        return _made(path, kind)


def checked_address(path: Path) -> str:
    """The path as an address.

    Raises
    ------
    SocketPathTooLong
        No Unix socket can have it.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise SocketPathTooLong(
            f"socket_path has {len(os.fsencode(path))} bytes, a Unix socket's path at most "
            f"{MAX_PATH_BYTES}: {path}; choose a shorter one"
        )
    return str(path)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder, so that two performances starting at once do not replace each other."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _clear(path: Path, kind: int) -> None:
    """Removes what somebody who died left at `path`; refuses to remove anything else."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SocketInUse(path, "it is not a socket, so it is left as it is")
    with socket.socket(socket.AF_UNIX, kind) as probe:
        failure = probe.connect_ex(str(path))
    if failure != errno.ECONNREFUSED:
        raise SocketInUse(path)
    path.unlink()


def _is_for_a_group(folder: Path) -> bool:
    """Whether its owner's group may enter a folder, and others may not."""
    mode = folder.stat().st_mode
    return bool(mode & stat.S_IXGRP) and not mode & stat.S_IXOTH


def _made(path: Path, kind: int) -> socket.socket:
    listening = socket.socket(socket.AF_UNIX, kind)
    try:
        # Linux gives the file the mode that the socket has when it is bound, so there is no
        # moment at which others may write to it.
        os.fchmod(listening.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        listening.bind(str(path))
        if kind != socket.SOCK_DGRAM:
            listening.listen(BACKLOG)
        if _is_for_a_group(path.parent):
            path.chmod(stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP | stat.S_IWGRP)
    except OSError:
        listening.close()
        raise
    return listening
