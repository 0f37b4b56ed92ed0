"""Real-time priority and locked memory, and what happens when the parent process exits.

Cheap to import, since the output process imports it before anything else. Where the system
refuses priority or locking, the process runs without.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

SYNTHESIS_PRIORITY = 10  # real-time priority, 1..99; sound servers use 20 and more
WORKER_PRIORITY = 5  # of other threads, so that one that holds the GIL gets to release it
OUTPUT_PRIORITY = 9  # below the synthesis, which has to detect a sound library in a busy loop
PR_SET_PDEATHSIG = 1  # prctl(2)
SWITCH_INTERVAL_S = 2e-4  # for which another thread may keep the GIL from the synthesis
CAP_IPC_LOCK, CAP_SYS_NICE = 14, 23  # capabilities(7)
LIMITS = "/etc/security/limits.d/latent-resonance.conf"
REALTIME_REMEDY = (
    "run `sudo systemd/install.sh`, or "
    f"echo '@audio - rtprio 20' | sudo tee {LIMITS}, add yourself to the group "
    "(sudo usermod -aG audio $USER) and log in again"
)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # mlockall(2)


def request_realtime_priority(
    priority: int = SYNTHESIS_PRIORITY, *, with_threads: bool = False
) -> bool:
    """Request real-time priority for the calling thread (allowed by LimitRTPRIO); whether it has.

    Processes and threads that it starts inherit the priority only if `with_threads`.
    """
    policy = os.SCHED_FIFO | (0 if with_threads else os.SCHED_RESET_ON_FORK)
    try:
        os.sched_setscheduler(0, policy, os.sched_param(priority))
    except OSError:
        return False
    return True


def request_idle_priority(thread_id: int) -> None:
    """Let a thread of this process run only when no other one needs the core (SCHED_IDLE)."""
    with contextlib.suppress(OSError):  # it has ended
        os.sched_setscheduler(thread_id, os.SCHED_IDLE, os.sched_param(0))


def end_idle_priority(thread_id: int) -> None:
    """Undo `request_idle_priority`, where this user may (LimitNICE=0, or CAP_SYS_NICE)."""
    with contextlib.suppress(OSError):  # it has ended, or the user may not
        if os.sched_getscheduler(thread_id) == os.SCHED_IDLE:
            os.sched_setscheduler(thread_id, os.SCHED_OTHER, os.sched_param(0))


def has_realtime_priority(pid: int) -> bool:
    """Whether the main thread of a process has real-time priority."""
    try:
        return os.sched_getscheduler(pid) & ~os.SCHED_RESET_ON_FORK == os.SCHED_FIFO
    except OSError:
        return False


def may_have_realtime_priority() -> bool:
    """Whether this user's processes would get it."""
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    enough = limit == resource.RLIM_INFINITY or limit >= SYNTHESIS_PRIORITY
    return enough or _has_capability(CAP_SYS_NICE)


def lock_memory() -> None:
    """Lock every page once touched, so that low memory does not evict code to the SD card.

    Only without a limit on locked memory (LimitMEMLOCK=infinity, or CAP_IPC_LOCK), since later
    allocations beyond a limit would fail.
    """
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    if unlimited or _has_capability(CAP_IPC_LOCK):
        ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)


def limit_memory(max_bytes: int) -> None:
    """Let allocations beyond some memory of this process fail, instead of ending it or another one.

    RLIMIT_DATA counts private writable pages, and not the address space that libraries reserve.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = max_bytes if hard == resource.RLIM_INFINITY else min(max_bytes, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


@contextlib.contextmanager
def memory_growth_limited(growth_bytes: int) -> Iterator[None]:
    """Let allocations of the `with` block fail beyond what this process has, and so much more."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    lines = Path("/proc/self/status").read_text().splitlines()
    now_kib = next(int(line.split()[1]) for line in lines if line.startswith("VmData:"))
    limit_memory(now_kib * 1024 + growth_bytes)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def prepare_realtime_process() -> bool:
    """Set up a real-time process: GIL switching, garbage collector, memory, priority.

    Returns
    -------
    whether it has real-time priority
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()  # long-lived objects; collections need not traverse them
    lock_memory()
    return request_realtime_priority()


def _has_capability(number: int) -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    sets = [int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")]
    return any(capabilities >> number & 1 for capabilities in sets)


def kill_with_parent() -> None:
    """Receive SIGKILL when the thread that started this process exits, even while blocked."""
    set_parent_death_signal(signal.SIGKILL)


def set_parent_death_signal(number: signal.Signals) -> None:
    """Choose the signal that this process receives when its parent thread exits (prctl(2))."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number, 0, 0, 0)


def return_freed_memory() -> None:
    """Return freed memory to the system; takes milliseconds, without the GIL.

    glibc keeps what was freed. ONNX Runtime frees some 100 MiB in blocks of all sizes when a
    network is closed, of which each new network can reuse less: 148 MiB resident at first, 255 MiB
    after six changes of pack. Does nothing where the C library has no malloc_trim(3).
    """
    libc = ctypes.CDLL(None)
    trim = getattr(libc, "malloc_trim", None)
    if trim is None:
        return
    locked = _is_locked()
    if locked:  # locked memory cannot be returned
        libc.munlockall()
    trim(ctypes.c_size_t(0))
    if locked:
        lock_memory()


def _is_locked() -> bool:
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmLck"].split()[0]) > 0
