"""Processor time and memory of a process, from /proc."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """Processor time since the start in seconds, resident memory in MiB."""

    cpu_s: float
    resident_mib: float


def read_usage(pid: int) -> Usage | None:
    """Usage of a process; None if it has exited."""
    folder = Path(f"/proc/{pid}")
    try:
        times = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
    except OSError:
        return None
    cpu_s = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
    return Usage(cpu_s, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
