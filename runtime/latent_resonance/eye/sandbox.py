"""Removes network access and core dumps from the eye.

Runs first in the eye's process, on its only thread, before numpy and MediaPipe are imported; needs
only the standard library. MediaPipe looks up Google's logging host about a minute after it starts
and again when it closes. The ONNX tracker makes no connection, but is isolated too. In: nothing.
Out: the isolation method used.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct
from pathlib import Path

from latent_resonance import LatentResonanceError

_CLONE_NEWUSER = 0x10000000  # linux/sched.h
_CLONE_NEWNET = 0x40000000
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
_SET_MODE_FILTER = 1  # linux/seccomp.h
_FILTER_FLAG_TSYNC = 1

# audit architecture and the syscall numbers of seccomp, socket and socketpair (asm/unistd.h)
_MACHINES = {
    "x86_64": (0xC000003E, 317, 41, 53),
    "aarch64": (0xC00000B7, 277, 198, 199),
}
_IO_URING_SETUP = 425  # on every machine; io_uring can open sockets without the socket syscall
_X32 = 0x40000000  # first syscall number of x86-64's x32 ABI

_LOAD, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | 97  # errno EAFNOSUPPORT, which every resolver treats as "no network"
_CALL, _ARCHITECTURE, _DOMAIN = 0, 4, 16  # offsets in struct seccomp_data; low word of args[0]


class IsolationError(LatentResonanceError):
    """Network access cannot be dropped, so the eye must not run."""


def drop_network() -> str:
    """Drop network access for good; AF_UNIX sockets keep working.

    Returns
    -------
    str
        "network namespace" or "seccomp filter", whichever the machine supports.

    Raises
    ------
    IsolationError
        If the machine supports neither.
    """
    try:
        enter_empty_namespace()
    except OSError as namespace_error:
        try:
            install_socket_filter()
        except OSError as filter_error:
            raise IsolationError(
                _isolation_message(str(namespace_error), filter_error)
            ) from filter_error
        return "seccomp filter"
    return "network namespace"


def enter_empty_namespace() -> None:
    """Move this process into a network namespace without interfaces (network_namespaces(7)).

    Raises
    ------
    OSError
        If the machine does not allow it, or other threads already run: they would keep the old
        namespace.
    """
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise OSError("other threads are already running")
    libc = _libc()
    if libc.unshare(_CLONE_NEWNET) != 0 and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        raise _last_error()


def install_socket_filter(*, in_all_threads: bool = True) -> None:
    """Make the kernel refuse every socket except AF_UNIX ones (seccomp(2)).

    Parameters
    ----------
    in_all_threads
        If false, only in the calling thread and those that it starts later.

    Raises
    ------
    OSError
        If the machine does not allow it, or its architecture is unknown.
    """
    if platform.machine() not in _MACHINES:
        raise OSError(f"no filter for {platform.machine()}")
    libc = _libc()
    program = _bpf_program(platform.machine())
    buffer = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise _last_error()
    seccomp = _MACHINES[platform.machine()][1]
    flags = _FILTER_FLAG_TSYNC if in_all_threads else 0
    if libc.syscall(seccomp, _SET_MODE_FILTER, flags, header) != 0:
        raise _last_error()


def drop_thread_network() -> None:
    """Drop network access of the calling thread and those that it starts later.

    Raises
    ------
    IsolationError
        If the machine does not allow it.
    """
    try:
        install_socket_filter(in_all_threads=False)
    except OSError as error:
        raise IsolationError(_isolation_message("not tried", error)) from error


def disable_core_dumps() -> None:
    """Disable core dumps: one would contain the last images.

    RLIMIT_CORE does not apply to dumps that the kernel pipes to a collector (core(5)). A process
    that is not dumpable leaves none, and other processes of its user cannot read its memory.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if _libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) != 0:
        raise IsolationError(f"the eye cannot disable core dumps: {_last_error().strerror}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))


def _bpf_program(machine: str) -> bytes:
    """The classic BPF program: 8 bytes an instruction (code, jump if true, if false, value)."""
    architecture, _, socket_call, socketpair_call = _MACHINES[machine]
    instructions = (
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 0, 8, architecture),  # a 32-bit program's syscalls: refuse
        (_LOAD, 0, 0, _CALL),
        (_AT_LEAST, 6, 0, _X32),
        (_EQUAL, 5, 0, _IO_URING_SETUP),
        (_EQUAL, 1, 0, socket_call),
        (_EQUAL, 0, 2, socketpair_call),
        (_LOAD, 0, 0, _DOMAIN),
        (_EQUAL, 0, 1, 1),  # AF_UNIX
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
    return b"".join(struct.pack("HBBI", *instruction) for instruction in instructions)


def _isolation_message(namespace_error: str, filter_error: OSError) -> str:
    return (
        f"the eye cannot drop network access (namespace: {namespace_error}; seccomp: "
        f"{filter_error}), so it does not start; allow user namespaces or seccomp on this machine, "
        "or set eye.allow_network: true to run it with network access"
    )
