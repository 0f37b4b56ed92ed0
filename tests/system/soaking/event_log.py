"""The lines of a soak, in memory and on disk, and never more than there is room for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.system.soaking.plot import draw
from tests.system.soaking.report import Line, failures_of, summary_of

MOST_LINES = 60_000  # of some 400 bytes
MOST_SAMPLES = 20_000
LINES, PICTURE, SUMMARY = "soak.jsonl", "soak.png", "summary.json"


class Notes:
    """Writes each line as it comes, so that a soak that is cut off has left all but its end."""

    def __init__(self, folder: Path, begun_s: float) -> None:
        self.file = (folder / LINES).open("w")
        self.lines: list[Line] = []
        self.begun_s = begun_s

    def take(self, kind: str, now_s: float, **more: Any) -> None:
        """One line, if there is still room; there is for the last."""
        if len(self.lines) < MOST_LINES or kind == "end":
            line = {"kind": kind, "at_s": round(now_s - self.begun_s, 2), **more}
            self.lines.append(line)
            self.file.write(json.dumps(line) + "\n")
            self.file.flush()

    def close(self) -> None:
        """No more lines."""
        self.file.close()


def read_lines(folder: Path) -> list[Line]:
    """The lines of a soak, and of one that was cut off while it wrote."""
    lines = []
    for text in (folder / LINES).read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except json.JSONDecodeError:
            break
    return lines


def judge(lines: list[Line], folder: Path) -> tuple[Line, list[str]]:
    """Draws a soak and sums it up; its summary, and what was wrong in sentences."""
    summary = summary_of(lines)
    failures = failures_of(lines, summary)
    draw(lines, folder / PICTURE)
    text = json.dumps(summary | {"failures": failures}, indent=2)
    (folder / SUMMARY).write_text(text + "\n")
    return summary, failures
