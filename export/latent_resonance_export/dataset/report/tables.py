"""The tables beside the report: every file of the folder, and every rejected clip."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.rejection import Rejection
from latent_resonance_export.dataset.result import CurationResult

FILE_COLUMNS = (
    *("file", "read", "loops", "held_out", "rejected"),
    *("seconds", "sample_rate", "channels", "notes"),
)
REJECTED_COLUMNS = ("file", "offset_s", "reason", "detail", "level_db", "flatness_db", "remedy")


def write_files(result: CurationResult, path: Path) -> None:
    """One line for every file of the folder, read or not."""
    _write(path, FILE_COLUMNS, _file_rows(result))


def write_rejected(rejected: Sequence[Rejection], path: Path) -> None:
    """One line for every rejection."""
    rows = (
        (r.source, r.offset_s, r.reason.label, r.detail, r.level_db, r.flatness_db, r.reason.remedy)
        for r in rejected
    )
    _write(path, REJECTED_COLUMNS, rows)


def _file_rows(result: CurationResult) -> Iterator[Sequence[object]]:
    loops = Counter(clip.source for clip in result.clips)
    held_out = Counter(clip.source for clip in result.clips if clip.held_out)
    rejected = Counter(rejection.source for rejection in result.rejected)
    read = {recording.source: recording for recording in result.recordings}
    why = {r.source: f"{r.reason.label}: {r.detail}" for r in result.rejected}
    for source in sorted(read.keys() | why.keys()):
        counts = loops[source], held_out[source], rejected[source]
        if recording := read.get(source):
            notes = "; ".join(result.notes.get(source, []))
            yield source, "yes", *counts, *_properties(recording), notes
        else:
            yield source, "no", *counts, "", "", "", why[source]


def _properties(recording: Recording) -> tuple[float, int, int]:
    return round(recording.seconds, 3), recording.sample_rate, recording.channels


def _write(path: Path, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(heads)
        table.writerows(rows)
