"""Finds the author and the licence of a recording.

In this order: a sidecar of the recording (`take.wav.license`, with REUSE's SPDX lines or the
licence in the first line and the author in the second), a row of the nearest LICENSES.csv
(columns file, licence, author; `file` may be a pattern such as birds/*.wav), the recording's
own tags, the command line.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from latent_resonance_export.dataset.recordings.find import SIDECARS, TABLES
from latent_resonance_export.dataset.recordings.recording import Recording
from latent_resonance_export.dataset.settings import CurationError

LICENCE = ("licence", "license", "spdx-license-identifier")
AUTHOR = ("author", "artist", "creator", "spdx-filecopyrighttext")
MAX_BYTES = 10_000_000  # of a table; a sidecar is far smaller
MAX_CHARACTERS = 300  # kept of a licence or an author
UNKNOWN = {"", "unknown", "n/a", "na", "none", "tbd", "todo", "null"}  # "?" and "-" as well


@dataclass(frozen=True)
class Attribution:
    """Licence and author; "" where unknown."""

    licence: str = ""
    author: str = ""

    def or_else(self, other: Attribution) -> Attribution:
        """Fills in what is unknown from another attribution."""
        return Attribution(self.licence or other.licence, self.author or other.author)


@dataclass(frozen=True)
class Row:
    """One row of a LICENSES.csv, its pattern relative to SOUNDS."""

    pattern: str
    attribution: Attribution
    table: str


class LicenceTables:
    """All tables of a folder; records which rows were used."""

    def __init__(self, sounds: Path) -> None:
        self.sounds = sounds
        self.tables: dict[PurePosixPath, list[Row]] = {}
        self.used: set[Row] = set()
        for path in sorted(sounds.rglob("*.[cC][sS][vV]")):
            if path.name.lower() in TABLES and path.is_file() and not path.is_symlink():
                folder = PurePosixPath(path.parent.relative_to(sounds).as_posix())
                self.tables.setdefault(folder, []).extend(_rows(path, folder))

    def of(self, recording: Recording, path: Path) -> Attribution:
        """The attribution of a recording."""
        attribution = _sidecar(path)
        for row in self._rows_for(recording.source):
            self.used.add(row)
            attribution = attribution.or_else(row.attribution)
        return attribution.or_else(
            Attribution(_clean_line(recording.licence), _clean_line(recording.author))
        )

    @property
    def unused(self) -> list[Row]:
        """Rows that match no recording: a typing error, or a missing file."""
        return [r for rows in self.tables.values() for r in rows if r not in self.used]

    def _rows_for(self, source: str) -> Iterator[Row]:
        """Nearest table first; within a table the exact name first, then the patterns."""
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
            f"{path}: not a UTF-8 table ({reason}); save it as CSV, UTF-8"
        ) from error
    except OSError as error:
        raise CurationError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from error


def _parse(path: Path, folder: PurePosixPath) -> Iterator[Row]:
    if path.stat().st_size > MAX_BYTES:
        raise CurationError(f"{path}: larger than {MAX_BYTES} bytes; split the table")
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
                yield Row(pattern, _attribution({k: row[n] for k, n in columns.items()}), path.name)


def _attribution(values: Mapping[str, object]) -> Attribution:
    """Reads lower-case keys, in several spellings."""
    licence, author = (
        next((line for k in keys if (line := _clean_line(values.get(k) or ""))), "")
        for keys in (LICENCE, AUTHOR)
    )
    return Attribution(licence, author)


def _sidecar(path: Path) -> Attribution:
    for suffix in SIDECARS:
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_size <= MAX_BYTES:
            return _read_sidecar(beside.read_text(encoding="utf-8", errors="replace"))
    return Attribution()


def _read_sidecar(text: str) -> Attribution:
    lines = [line.strip() for line in text.removeprefix("\ufeff").splitlines() if line.strip()]
    pairs = {
        k.strip().lower(): v for k, colon, v in (line.partition(":") for line in lines) if colon
    }
    attribution = _attribution(pairs)
    if attribution == Attribution() and lines:
        return Attribution(_clean_line(lines[0]), _clean_line(lines[1]) if len(lines) > 1 else "")
    return attribution


def known(text: str) -> str:
    """The text; "" if it says that it is unknown, as "?" does."""
    return "" if text.strip("?-–— .").lower() in UNKNOWN else text


def _clean_line(value: object) -> str:
    return known(" ".join(str(value).split())[:MAX_CHARACTERS])
