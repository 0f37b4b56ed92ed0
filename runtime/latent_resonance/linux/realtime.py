"""What the kernel grants to those who play: their turn first, and memory that stays.

Light, for the output process imports it before anything else. Each asks and plays on without.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import resource
import signal
import sys
from pathlib import Path

SYNTHESIS = 10  # real-time priority, of 1..99; sound servers ask for 20 and more
BESIDE = 5  # of its threads: one that holds the interpreter's lock must have its turn to let go
OUTPUT = 9  # below the synthesis: a sound library gone wild must not keep us from noticing
PR_SET_PDEATHSIG = 1  # prctl(2)
SWITCH_INTERVAL_S = 2e-4  # for which another thread may keep the synthesis from its turn
CAP_IPC_LOCK = 14  # capabilities(7)
MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT = 1, 2, 4  # mlockall(2)


def request_realtime_priority(priority: int = SYNTHESIS, *, with_threads: bool = False) -> None:
    """Real-time priority for the calling thread, where the system allows it (LimitRTPRIO).

    What it starts does not inherit it (neither the eye nor a worker of a library), unless
    `with_threads`.
    """
    policy = os.SCHED_FIFO | (0 if with_threads else os.SCHED_RESET_ON_FORK)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, policy, os.sched_param(priority))


def lock_memory() -> None:
    """Keeps every page once touched: when memory is short, code is not read from the card again.

    Only without a limit on locked memory (LimitMEMLOCK=infinity, or CAP_IPC_LOCK): under one,
    memory that is asked for later would be refused.
    """
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    if unlimited or _has_capability(CAP_IPC_LOCK):
        ctypes.CDLL(None).mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)


def prepare_realtime_process() -> None:
    """What a process does once that is to be on time for months."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.freeze()  # what is here now stays; collections need not walk it
    lock_memory()
    request_realtime_priority()


def _has_capability(number: int) -> bool:
    lines = Path("/proc/self/status").read_text().splitlines()
    sets = [int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")]
    return any(capabilities >> number & 1 for capabilities in sets)


def kill_with_parent() -> None:
    """SIGKILL when the thread that started this process ends, whatever this one waits for."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
