"""What a process has taken of the machine, as /proc tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Usage:
    """Processor time in seconds since it started, resident memory in MiB."""

    cpu_s: float
    resident_mib: float


def read_usage(process: int) -> Usage | None:
    """Usage of a process by its number; None if it is gone."""
    folder = Path(f"/proc/{process}")
    try:
        times = (folder / "stat").read_text().rpartition(")")[2].split()
        pages = int((folder / "statm").read_text().split()[1])
    except OSError:
        return None
    cpu_s = (int(times[11]) + int(times[12])) / os.sysconf("SC_CLK_TCK")
    return Usage(cpu_s, pages * os.sysconf("SC_PAGE_SIZE") / 2**20)
