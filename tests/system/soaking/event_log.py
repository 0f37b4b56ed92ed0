"""The log of a soak, in memory and on disk, with a limited size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.system.soaking.plot import draw
from tests.system.soaking.report import Line, failures_of, summary_of

MAX_LINES = 60_000  # of about 400 bytes
MAX_SAMPLES = 20_000
LINES, PLOT, SUMMARY = "soak.jsonl", "soak.png", "summary.json"


class EventLog:
    """Writes each line at once, so that an aborted soak loses only its end."""

    def __init__(self, folder: Path, started_s: float) -> None:
        self.file = (folder / LINES).open("w")
        self.lines: list[Line] = []
        self.started_s = started_s

    def write(self, kind: str, now_s: float, **more: Any) -> None:
        """Write one line, unless the log is full; the last line is always written."""
        if len(self.lines) < MAX_LINES or kind == "end":
            line = {"kind": kind, "at_s": round(now_s - self.started_s, 2), **more}
            self.lines.append(line)
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()

    def close(self) -> None:
        """Close the file."""
        self.file.close()


def read_lines(folder: Path) -> list[Line]:
    """The lines of a soak; a truncated last line is ignored."""
    lines = []
    for text in (folder / LINES).read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def judge(lines: list[Line], folder: Path) -> tuple[Line, list[str]]:
    """Plot and summarise a soak; return the summary and a message for each failure."""
    summary = summary_of(lines)
    failures = failures_of(lines, summary)
    draw(lines, folder / PLOT)
    text = json.dumps(summary | {"failures": failures}, indent=2)
    (folder / SUMMARY).write_text(text + "\n")
    return summary, failures
