"""Whose a recording is and under which licence, from what lies beside it.

In this order: a sidecar of the recording (`take.wav.license`, with REUSE's SPDX lines or the
licence in the first line and the author in the second), a row of the nearest LICENSES.csv
(columns file, licence, author; `file` may be a pattern such as birds/*.wav), the recording's
own tags, what the command line says.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from latent_resonance_export.dataset.recordings import Recording
from latent_resonance_export.dataset.settings import CurationError

TABLES = {"licenses.csv", "licences.csv"}
SIDECARS = (".license", ".licence")
LICENCE = ("licence", "license", "spdx-license-identifier")
AUTHOR = ("author", "artist", "creator", "spdx-filecopyrighttext")
LARGEST = 10_000_000  # bytes of a table; a sidecar is far smaller
LONGEST = 300  # characters that are kept of a licence or an author


@dataclass(frozen=True)
class Origin:
    """Whose; "" where nobody said."""

    licence: str = ""
    author: str = ""

    def or_else(self, other: Origin) -> Origin:
        """What is not said here is said there."""
        return Origin(self.licence or other.licence, self.author or other.author)


@dataclass(frozen=True)
class Row:
    """One row of a LICENSES.csv, its pattern relative to SOUNDS."""

    pattern: str
    origin: Origin
    table: str


class Licences:
    """All tables of a folder; remembers which rows were of use."""

    def __init__(self, sounds: Path) -> None:
        self.sounds = sounds
        self.tables: dict[PurePosixPath, list[Row]] = {}
        self.used: set[Row] = set()
        for path in sorted(sounds.rglob("*.[cC][sS][vV]")):
            if path.name.lower() in TABLES and path.is_file() and not path.is_symlink():
                folder = PurePosixPath(path.parent.relative_to(sounds).as_posix())
                self.tables.setdefault(folder, []).extend(_rows(path, folder))

    def of(self, recording: Recording, path: Path) -> Origin:
        """Whose a recording is."""
        origin = _sidecar(path)
        for row in self._rows_for(recording.source):
            self.used.add(row)
            origin = origin.or_else(row.origin)
        return origin.or_else(Origin(recording.licence[:LONGEST], recording.author[:LONGEST]))

    @property
    def unused(self) -> list[Row]:
        """Rows that no recording answers to: a slip of the pen, or a file that is missing."""
        return [r for rows in self.tables.values() for r in rows if r not in self.used]

    def _rows_for(self, source: str) -> Iterator[Row]:
        """Nearest table first; in a table the row with that very name, then the patterns."""
        for folder in PurePosixPath(source).parents:
            rows = self.tables.get(folder, [])
            yield from (row for row in rows if row.pattern == source)
            yield from (r for r in rows if r.pattern != source and fnmatchcase(source, r.pattern))


def _rows(path: Path, folder: PurePosixPath) -> list[Row]:
    try:
        return list(_parse(path, folder))
    except (UnicodeDecodeError, csv.Error) as error:
        reason = str(error).splitlines()[0]
        raise CurationError(
            f"{path}: not a table in UTF-8 ({reason}); save it as CSV, UTF-8"
        ) from error
    except OSError as error:
        raise CurationError(
            f"{path}: cannot be read ({error.strerror}); check its rights"
        ) from error


def _parse(path: Path, folder: PurePosixPath) -> Iterator[Row]:
    if path.stat().st_size > LARGEST:
        raise CurationError(f"{path}: larger than {LARGEST} bytes, which is no table of licences")
    with path.open(newline="", encoding="utf-8-sig") as file:
        separator = ";" if ";" in file.readline() else ","  # as spreadsheets write it in Europe
        file.seek(0)
        table = csv.DictReader(file, delimiter=separator)
        columns = {(name or "").strip().lower(): name for name in table.fieldnames or []}
        if "file" not in columns or not columns.keys() & set(LICENCE + AUTHOR):
            raise CurationError(
                f"{path}: its columns are {', '.join(columns) or 'none'}; they should be "
                "file, licence, author"
            )
        for row in table:
            name = (row[columns["file"]] or "").strip().replace("\\", "/").removeprefix("./")
            if name:
                pattern = (folder / name).as_posix() + ("/*" if name.endswith("/") else "")
                yield Row(pattern, _origin({k: row[n] for k, n in columns.items()}), path.name)


def _origin(said: dict[str, object]) -> Origin:
    """From keys in lower case; several spellings are understood."""
    licence, author = (
        next((_line(said[k]) for k in keys if said.get(k)), "") for keys in (LICENCE, AUTHOR)
    )
    return Origin(licence, author)


def _sidecar(path: Path) -> Origin:
    for suffix in SIDECARS:
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_size <= LARGEST:
            return _read_sidecar(beside.read_text(encoding="utf-8", errors="replace"))
    return Origin()


def _read_sidecar(text: str) -> Origin:
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    pairs = {
        k.strip().lower(): v for k, colon, v in (line.partition(":") for line in lines) if colon
    }
    origin = _origin(pairs)
    if origin == Origin() and lines:
        return Origin(_line(lines[0]), _line(lines[1]) if len(lines) > 1 else "")
    return origin


def _line(value: object) -> str:
    return " ".join(str(value).split())[:LONGEST]
