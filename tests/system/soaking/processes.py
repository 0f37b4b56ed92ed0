"""Resources of each process of the instrument: memory, threads, files, processor time."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

ROLES = ("voice", "eye", "output")
MIB = 1024  # KiB
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def processes_by_role(voice: int) -> dict[str, int]:
    """Process ids by role: the voice and its child processes."""
    try:
        text = Path(f"/proc/{voice}/task/{voice}/children").read_text()
    except FileNotFoundError:
        return {}
    found = {"voice": voice}
    for child in map(int, text.split()):
        command = command_of(child)
        if "eye" in command:
            found["eye"] = child
        elif any("output" in word for word in command):
            found["output"] = child
    return found


def raise_priority(process: int, priority: int) -> None:
    """Give all threads of a process real-time priority, if the system allows it."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(PermissionError, ProcessLookupError):
            os.sched_setscheduler(int(thread.name), os.SCHED_FIFO, os.sched_param(priority))


def command_of(process: int) -> list[str]:
    """The command line of a process; empty if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode().split("\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


def read_process(process: int) -> dict[str, float] | None:
    """Resident and proportional MiB, threads, open files, CPU seconds; None if it has ended."""
    folder = Path(f"/proc/{process}")
    try:
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        rollup = (folder / "smaps_rollup").read_text().splitlines()[1:]
        shares = dict(line.split(":", 1) for line in rollup)
        times = (folder / "stat").read_text().rpartition(")")[2].split()
        return {
            "pid": process,
            "rss_mib": round(int(status["VmRSS"].split()[0]) / MIB, 2),
            "pss_mib": round(int(shares["Pss"].split()[0]) / MIB, 2),
            "private_mib": round(int(shares["Private_Dirty"].split()[0]) / MIB, 2),
            "threads": int(status["Threads"]),
            "files": sum(1 for _ in (folder / "fd").iterdir()),
            "cpu_s": round((int(times[11]) + int(times[12])) / TICKS_PER_S, 2),
        }
    except (OSError, KeyError, IndexError):  # it has ended meanwhile
        return None
