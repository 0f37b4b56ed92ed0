"""A table of numbers in a CSV, as people and spreadsheets write it. Pure.

Read are comma, semicolon, tab and bar between columns, a first line `sep=;`, decimal points or
decimal commas, UTF-8, UTF-16 and UTF-32, columns that are empty, digits and minus signs of any
script, and `TRUE` for 1. Refused is what has two meanings: `1.234` in a file with decimal commas,
a line break within quotes, a character that cannot be seen. What is kept of a file is bounded by
its rows, however many cells they have.
"""

from __future__ import annotations

import csv
import difflib
import itertools
import math
import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple, TextIO

from latent_resonance import LatentResonanceError
from latent_resonance.config.boundary import shown
from latent_resonance.config.invisible import first_invisible

SEPARATORS = (",", ";", "\t", "|")
NAMED_SEPARATOR = re.compile(r'"?sep=([,;\t| :])"?[;,\s]*', re.IGNORECASE)  # of Excel
MAX_LINE_CHARACTERS = 4096
MAX_NAME_CHARACTERS = 40  # of a name that is compared with the valid ones
UNDECODABLE = re.compile("[\udc80-\udcff]")  # as errors="surrogateescape" leaves it
CHARACTERS = str.maketrans({"\u2212": "-", "\u066b": "."})  # MINUS SIGN, ARABIC DECIMAL SEPARATOR
PLAIN = re.compile(r"[-+.0-9eE]+")  # what ASCII numbers with a decimal point consist of
SWITCHES = {"true": "1", "false": "0"}  # how spreadsheets write what they take for a yes or no
MARKS = {".": "decimal point", ",": "decimal comma"}


class TableError(LatentResonanceError):
    """The text cannot be read; the message begins with `, line N`, or with a colon."""


class Table(NamedTuple):
    """The columns with a name.

    Attributes
    ----------
    lines : number of each row in the file, where blank lines count
    values : of each row, in the order of `names`
    """

    names: list[str]
    lines: list[int]
    values: list[list[float]]


class Row(NamedTuple):
    """A row that is not blank, and its number in the file."""

    line: int
    cells: list[str]


def read_table(file: TextIO, known: tuple[str, ...], max_rows: int) -> Table:
    """The table in an open CSV (`newline=""`).

    Parameters
    ----------
    known : names of the columns that it may have; it must have the first

    Raises
    ------
    TableError
        A line is no row of numbers below such names, or there are too many.
    """
    rows = _rows(file)
    columns = _columns(next(rows, Row(0, [])).cells, known)
    numbers, table = _Numbers(columns), Table([name for name in columns if name], [], [])
    for row in rows:
        if len(table.lines) == max_rows:
            raise TableError(f": more than {max_rows} rows; split the file")
        table.lines.append(row.line)
        table.values.append(numbers.of(row))
    return table


def separator_of(line: str) -> str:
    """What separates the columns: the most frequent of the separators."""
    return max(SEPARATORS, key=line.count)


def _rows(file: TextIO) -> Iterator[Row]:
    """The rows, separated as the first line is, or as `sep=;` there says."""
    lines = _lines(file)
    head = _head(lines)
    named = NAMED_SEPARATOR.fullmatch(head[-1])
    separator = named[1] if named else separator_of(head[-1])
    reader = csv.reader(
        itertools.chain(head, lines),
        delimiter=separator,
        skipinitialspace=separator != " ",
        strict=True,
    )
    end = 0
    try:
        for cells in reader:
            begin, end = end + 1, reader.line_num
            is_heading = named is not None and end == len(head)
            if not is_heading and "".join(cells).strip():
                _check_one_line(begin, end)
                yield Row(end, cells)
    except csv.Error as error:
        raise TableError(
            f", line {end + 1}: quotation marks that do not match; remove them"
        ) from error


def _check_one_line(begin: int, end: int) -> None:
    if begin != end:
        raise TableError(
            f", line {begin}: a quotation mark that is closed in line {end}; each row has a "
            "line of its own"
        )


def _head(lines: Iterator[str]) -> list[str]:
    """The lines up to the first that is not blank."""
    head = [""]
    while not head[-1].strip() and (line := next(lines, None)) is not None:
        head.append(line)
    return head[1:] or [""]


def _lines(file: TextIO) -> Iterator[str]:
    """The lines of a file, none of them so long that it alone fills the memory."""
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS):
        number += 1
        if len(line) == MAX_LINE_CHARACTERS:
            raise TableError(
                f": a line of {MAX_LINE_CHARACTERS} characters or more; each row has a line "
                "of its own"
            )
        line = line.lstrip("\ufeff") if number == 1 else line
        _check_characters(number, line)
        yield line


def _check_characters(number: int, line: str) -> None:
    if undecodable := UNDECODABLE.search(line):
        raise TableError(
            f", line {number}, column {undecodable.start() + 1}: cannot be read as a CSV (it is "
            "not text in UTF-8); export the table as CSV, in UTF-8"
        )
    if invisible := first_invisible(line):
        column, name = invisible
        is_text = unicodedata.category(line[column - 1]) != "Cc"
        remedy = "remove it" if is_text else "export the table as CSV, in UTF-8"
        raise TableError(
            f", line {number}, column {column}: cannot be read as a CSV ({name}, which cannot be "
            f"seen); {remedy}"
        )


def _columns(cells: list[str], known: tuple[str, ...]) -> list[str]:
    """The names of the columns, in their own spelling; empty where a column has none."""
    columns = [cell.strip().lower().replace(" ", "_") for cell in cells]
    columns = columns[: _n_filled(columns)]
    names = [name for name in columns if name]
    if names and known[0] not in names:
        first = shown(repr(" ".join(filter(None, (cell.strip() for cell in cells)))))
        raise TableError(f": no column {known[0]} in {first}; the first line names the columns")
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name[:MAX_NAME_CHARACTERS], known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the columns are {', '.join(known)}"
            raise TableError(f": unknown column {shown(repr(name))}; {hint}")
    if len(set(names)) != len(names):
        raise TableError(": a column is named twice; keep one of them")
    return columns


def _n_filled(cells: list[str]) -> int:
    """Number of cells without the blank ones at the end, which spreadsheets add."""
    return max((i for i, cell in enumerate(cells, 1) if cell.strip()), default=0)


class _Numbers:
    """Reads the numbers of rows, all with one decimal mark.

    Parameters
    ----------
    columns : names; what is below an empty one has to be empty too
    """

    def __init__(self, columns: list[str]) -> None:
        self._columns = columns
        self._all_named = all(columns)
        self._marks: dict[str, tuple[int, str]] = {}  # line and text of the first with each

    def of(self, row: Row) -> list[float]:
        """The values of the columns with a name."""
        n, cells = len(self._columns), row.cells
        if (values := self._plain(cells)) is not None:
            return values
        if len(cells) < n or "".join(cells[n:]).strip():
            n_values = max(_n_filled(cells), min(len(cells), n))
            raise TableError(f", line {row.line}: {n_values} values for {n} columns")
        pairs = list(zip(self._columns, cells, strict=False))  # blank cells may follow
        for name, cell in pairs:
            if not name and cell.strip():
                raise TableError(
                    f", line {row.line}: {shown(repr(cell.strip()))} is in a column without a "
                    "name; name or empty it"
                )
        return [self._number(row.line, name, cell.strip()) for name, cell in pairs if name]

    def _plain(self, cells: list[str]) -> list[float] | None:
        """The values of a row of plain numbers, in a fifth of the time; None for any other row."""
        text = "".join(cells)
        noted = "." not in text or "." in self._marks  # `_number` notes the first decimal mark
        if not (noted and self._all_named and PLAIN.fullmatch(text)):
            return None
        try:
            values = list(map(float, cells))
        except ValueError:
            return None
        return values if len(values) == len(self._columns) and math.isfinite(sum(values)) else None

    def _number(self, line: int, name: str, cell: str) -> float:
        text = cell.translate(CHARACTERS)
        text = SWITCHES.get(text.lower(), text)
        for mark in MARKS:
            if mark in text:
                self._check_mark(mark, line, cell)
        try:
            if "_" in text:  # Python's own notation for thousands
                raise ValueError
            value = float(text.replace(",", "."))
        except ValueError:
            raise _not_a_number(line, cell) from None
        if not math.isfinite(value):
            raise TableError(
                f", line {line}: a value is not finite ({name} is {shown(cell)}); write it like "
                "12.5"
            )
        return value

    def _check_mark(self, mark: str, line: int, cell: str) -> None:
        """Refuse a point beside commas: one of them separates thousands, or is a mistake."""
        self._marks.setdefault(mark, (line, cell))
        if len(self._marks) > 1:
            (_, (first, text)) = next(item for item in self._marks.items() if item[0] != mark)
            raise TableError(
                f", line {line}: not a number for certain ({shown(repr(cell))} has a "
                f"{MARKS[mark]}, and {shown(repr(text))} in line {first} the other mark); use one "
                "of them in the whole file, and no mark between thousands"
            )


def _not_a_number(line: int, cell: str) -> TableError:
    text = shown(repr(cell)) if cell else "an empty cell"
    return TableError(
        f", line {line}: not a number ({text}); write it like 12.5, without a unit, or 0 for no "
        "and 1 for yes"
    )
