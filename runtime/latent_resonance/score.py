"""Scores: the movement of a face as a CSV of features, without images.

Columns `time_s`, `presence` (0 or 1) and any of the features by name; a missing column is
neutral, rows may have any spacing and are interpolated. Spreadsheets' own CSV is read too: with
semicolons or tabs, decimal commas, a first line `sep=;`, UTF-16, and empty columns. A score is
recorded from a clip, or composed; in attract mode, the instrument plays one without a visitor.
"""

from __future__ import annotations

import codecs
import csv
import difflib
import itertools
import re
import stat
import warnings
from collections.abc import Iterable, Iterator
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.config.boundary import boundary
from latent_resonance.config.invisible import first_invisible
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import (
    FEATURE_RANGES,
    FEATURES,
    FaceState,
    clip_features,
    neutral_features,
)
from latent_resonance.linux.atomic_file import atomic_path

RATE_HZ = 30.0  # of the states that a score yields
MAX_BYTES = 64 * 1024 * 1024
MAX_ROWS = 216_000  # two hours at RATE_HZ; some 250 MB while they are read
MAX_DURATION_S = 86_400.0  # a day; beyond, a unit was mistaken, and a render would not end
MAX_LINE_CHARACTERS = 4096
SEPARATORS = (",", ";", "\t")
ROUNDING_TOLERANCE = 1e-3  # by which a printed number may exceed its range
COLUMNS = ("time_s", "presence", *FEATURES)
NS = 1_000_000_000
LOOP_FADE_S = 2.0  # cross-fade from the end of a looped score to its beginning
EXCERPT_S = 14.0  # of a walk, between two cross-fades
TEMPO, HEIGHT = (0.6, 1.2), (0.6, 1.1)  # of an excerpt, of the score's own
VELOCITY = np.array(["velocity" in name for name in FEATURES])
SIDEWAYS = np.array(["yaw" in name or "roll" in name for name in FEATURES])
CALM = np.array([name in ("motion", "stillness") for name in FEATURES])  # are no heights

Float64Array = NDArray[np.float64]


class ScoreError(LatentResonanceError):
    """A score cannot be read; the message says where and why."""


class ScoreWarning(UserWarning):
    """A score has values that are changed; the message says which."""


class Score:
    """Features over time, interpolated at any instant.

    Parameters
    ----------
    time_s : (n,) rising
    presence : (n,) 0 or 1
    features : (n, 16)
    """

    def __init__(
        self, time_s: Float64Array, presence: Float64Array, features: Float64Array
    ) -> None:
        self.time_s, self.presence, self.features = time_s, presence, features

    @property
    def duration_s(self) -> float:
        """From the first row to the last."""
        return float(self.time_s[-1] - self.time_s[0])

    def at(self, at_s: float) -> tuple[bool, NDArray[np.float32]]:
        """(face present, features) at a time from the beginning, linearly interpolated."""
        at_s += self.time_s[0]
        row = min(max(int(np.searchsorted(self.time_s, at_s)), 1), len(self.time_s) - 1)
        width = self.time_s[row] - self.time_s[row - 1]
        share = min(max((at_s - self.time_s[row - 1]) / width, 0.0), 1.0)
        low, high = self.features[row - 1], self.features[row]
        present = self.presence[row if share >= 0.5 else row - 1] >= 0.5
        return bool(present), (low + (high - low) * share).astype(np.float32)

    def at_looped(self, at_s: float) -> NDArray[np.float32]:
        """Features at any time of the score played as a loop, without a jump: (16,)."""
        fade_s = min(LOOP_FADE_S, self.duration_s / 4)
        loop_s = self.duration_s - fade_s
        n_loops, position_s = divmod(at_s, loop_s)
        features = self.at(position_s)[1]
        if n_loops == 0 or position_s >= fade_s:
            return features
        end = self.at(loop_s + position_s)[1]
        return (end + (features - end) * np.float32(position_s / fade_s)).astype(np.float32)

    def states(self) -> Iterator[FaceState]:
        """The whole score at RATE_HZ, the first at time 0."""
        for i in range(int(self.duration_s * RATE_HZ) + 1):
            present, features = self.at(i / RATE_HZ)
            yield FaceState(i, int(i * NS / RATE_HZ), present, features)


class ScoreWalk(Score):
    """Excerpts of a score in random order, each varied, for hours without a repetition.

    Every EXCERPT_S another excerpt is faded in: from a random instant of the score, at a random
    tempo and height, and mirrored or not. It depends on the seed and the time alone. The first
    excerpt is the beginning of the score as it is, and so are `at` and `states`.
    """

    def __init__(self, score: Score, seed: int = 0) -> None:
        super().__init__(score.time_s, score.presence, score.features)
        self.seed = seed

    def at_looped(self, at_s: float) -> NDArray[np.float32]:
        """Features at any time of the walk, without a jump: (16,)."""
        excerpt, position_s = divmod(at_s, EXCERPT_S)
        features = self._excerpt_at(int(excerpt), position_s)
        if excerpt == 0 or position_s >= LOOP_FADE_S:
            return features
        end = self._excerpt_at(int(excerpt) - 1, EXCERPT_S + position_s)
        return (end + (features - end) * np.float32(position_s / LOOP_FADE_S)).astype(np.float32)

    def _excerpt_at(self, excerpt: int, position_s: float) -> NDArray[np.float32]:
        if excerpt == 0:
            return super().at_looped(position_s)
        rng = np.random.default_rng([self.seed, excerpt])
        start_s, tempo = rng.uniform(0, self.duration_s), rng.uniform(*TEMPO)
        height, side = rng.uniform(*HEIGHT), rng.choice((-1, 1))
        rest = neutral_features()
        moved = super().at_looped(start_s + position_s * tempo) - rest
        factors = np.where(SIDEWAYS, side, 1) * np.where(VELOCITY, tempo, 1)
        factors = factors * np.where(CALM, 1, height)
        return clip_features(rest + moved * factors)


def bundled_score() -> Path:
    """The score that is part of the package: composed movement, not a recorded face."""
    return Path(str(resources.files("latent_resonance") / "scores" / "attract.csv"))


def attract_score(settings: Settings) -> Score:
    """The score of attract mode: the one in the settings, or a walk through the bundled one."""
    if settings.attract.score:
        return read_score(Path(settings.attract.score))
    return ScoreWalk(read_score(bundled_score()))


def is_score(path: Path) -> bool:
    """Whether a source is a score rather than a video, by its suffix."""
    return path.suffix.lower() == ".csv"


@boundary(ScoreError, "name a score that can be read")
def read_score(path: Path) -> Score:
    """Read and validate a score.

    Raises
    ------
    ScoreError
        The file is missing, too large, not a CSV, or a value breaks a rule.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe or a device would never end
            raise ScoreError(f"{path}: not a regular file; name a CSV")
        if status.st_size > MAX_BYTES:
            raise ScoreError(f"{path}: larger than 64 MiB; split the score")
        with path.open(newline="", encoding=encoding_of(path)) as file:
            rows = list(islice(_numbered_rows(path, file), MAX_ROWS + 1))
    except UnicodeError as error:
        raise ScoreError(
            f"{path}: cannot be read as a CSV ({error}); export it as CSV, in UTF-8"
        ) from error
    except (OSError, csv.Error) as error:
        raise ScoreError(f"{path}: cannot be read as a CSV ({error})") from error
    if len(rows) > MAX_ROWS:
        raise ScoreError(f"{path}: more than {MAX_ROWS} rows; split the score")
    if len(rows) < 3:
        raise ScoreError(f"{path}: a score needs a line of column names and at least two rows")
    return _score_of(path, rows[0].cells, rows[1:])


class Row(NamedTuple):
    """A row that is not blank, and its number in the file, where blank lines count."""

    line: int
    cells: list[str]


def _numbered_rows(path: Path, file: TextIO) -> Iterator[Row]:
    """The rows of a CSV, separated as its first line is, or as `sep=;` there says."""
    lines = _lines(path, file)
    head = _head(lines)
    named = re.fullmatch(r'"?sep=(.)"?[;,\s]*', head[-1], re.IGNORECASE)  # of Excel
    reader = csv.reader(
        itertools.chain(head, lines), delimiter=named[1] if named else separator_of(head[-1])
    )
    for cells in reader:
        is_heading = named is not None and reader.line_num == len(head)
        if not is_heading and any(cell.strip() for cell in cells):
            # European spreadsheets have decimal commas, in quotes if commas separate columns too
            yield Row(reader.line_num, [cell.strip().replace(",", ".") for cell in cells])


def _head(lines: Iterator[str]) -> list[str]:
    """The lines up to the first that is not blank."""
    head = [""]
    while not head[-1].strip() and (line := next(lines, None)) is not None:
        head.append(line)
    return head[1:] or [""]


def encoding_of(path: Path) -> str:
    """Encoding of a text file by its byte order mark, or by zeros; UTF-8 without either."""
    with path.open("rb") as file:
        start = file.read(4)
    if start == codecs.BOM_UTF32_LE:
        return "utf-32"
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    return {b"\0\1": "utf-16-be", b"\1\0": "utf-16-le"}.get(
        bytes(map(bool, start[:2])), "utf-8-sig"
    )


def separator_of(line: str) -> str:
    """What separates the columns: the most frequent of comma, semicolon and tab."""
    return max(SEPARATORS, key=line.count)


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """The lines of a file, none of them so long that it alone fills the memory."""
    number = 0
    while line := file.readline(MAX_LINE_CHARACTERS):
        number += 1
        if len(line) == MAX_LINE_CHARACTERS:
            raise ScoreError(
                f"{path}: a line of {MAX_LINE_CHARACTERS} characters or more; a score has one row "
                "of numbers a line"
            )
        if invisible := first_invisible(line):
            column, name = invisible
            raise ScoreError(
                f"{path}, line {number}, column {column}: cannot be read as a CSV ({name}, which "
                "cannot be seen); remove it"
            )
        yield line


def _score_of(path: Path, header: list[str], rows: list[Row]) -> Score:
    columns = _without_trailing_blanks(header)
    names = [name for name in columns if name]
    _check_names(path, names)
    table = np.array([_numbers(path, row, columns) for row in rows])
    column = {name: table[:, i] for i, name in enumerate(names)}
    time_s = column["time_s"]
    if not (np.diff(time_s) > 0).all():
        row = rows[int(np.argmin(np.diff(time_s) > 0)) + 1]
        raise ScoreError(f"{path}, line {row.line}: time_s must rise from row to row")
    late = time_s - time_s[0] > MAX_DURATION_S
    if late.any():
        row = rows[int(np.argmax(late))]
        raise ScoreError(
            f"{path}, line {row.line}: time_s is over {MAX_DURATION_S:.0f} seconds after the first "
            "row, and a score lasts a day at most; give the time in seconds"
        )
    features = np.tile(neutral_features().astype(np.float64), (len(rows), 1))
    for i, name in enumerate(FEATURES):
        if name in column:
            features[:, i] = _clipped(path, name, column[name], rows)
    presence = column.get("presence", np.ones(len(rows)))
    if outside := [
        row.line for row, value in zip(rows, presence, strict=True) if value not in (0, 1)
    ]:
        raise ScoreError(f"{path}, line {outside[0]}: presence should be 0 or 1")
    return Score(time_s, presence, features)


def _clipped(path: Path, name: str, values: Float64Array, rows: list[Row]) -> Float64Array:
    """A feature within its range; warns if that changes more than its rounding."""
    low, high = FEATURE_RANGES[name]
    clipped = np.clip(values, low, high)
    outside = np.abs(values - clipped) > ROUNDING_TOLERANCE
    if outside.any():
        first = int(np.argmax(outside))
        warnings.warn(
            f"{path}, line {rows[first].line}: {name} {values[first]:g} is not within {low:g} to "
            f"{high:g}; clipped, as are {np.count_nonzero(outside)} rows in all",
            ScoreWarning,
            stacklevel=2,
        )
    return clipped


def _without_trailing_blanks(cells: list[str]) -> list[str]:
    """Cells without the empty ones at the end, which spreadsheets add."""
    filled = [i for i, cell in enumerate(cells) if cell]
    return cells[: filled[-1] + 1] if filled else []


def _check_names(path: Path, names: list[str]) -> None:
    if "time_s" not in names:
        raise ScoreError(f"{path}: no column time_s (seconds); the first line names the columns")
    for name in names:
        if name not in COLUMNS:
            close = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {close[0]}?" if close else f"the columns are {', '.join(COLUMNS)}"
            raise ScoreError(f"{path}: unknown column {name!r}; {hint}")
    if len(set(names)) != len(names):
        raise ScoreError(f"{path}: a column is named twice")


def _numbers(path: Path, row: Row, columns: list[str]) -> list[float]:
    """The values of a row below the names of `columns`; what has no name has to be empty."""
    place = f"{path}, line {row.line}"
    cells = row.cells[: len(columns)] + _without_trailing_blanks(row.cells[len(columns) :])
    if len(cells) != len(columns):
        raise ScoreError(f"{place}: {len(cells)} values for {len(columns)} columns")
    pairs = list(zip(columns, cells, strict=True))
    if stray := [cell for name, cell in pairs if cell and not name]:
        raise ScoreError(f"{place}: {stray[0]!r} is in a column without a name; name or empty it")
    values = [_number(place, cell) for name, cell in pairs if name]
    if not np.isfinite(values).all():
        raise ScoreError(f"{place}: a value is not finite")
    return values


def _number(place: str, cell: str) -> float:
    try:
        if "_" in cell:  # Python's own notation for thousands
            raise ValueError
        return float(cell)
    except ValueError as error:
        shown = repr(cell) if cell else "an empty cell"
        raise ScoreError(f"{place}: not a number ({shown}); write it like 12.5") from error


def write_score(path: Path, states: Iterable[FaceState]) -> int:
    """Write the features and presence of a sequence of states; return the number of rows."""
    count = 0
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        first_ns = None
        for state in states:
            first_ns = state.time_ns if first_ns is None else first_ns
            values = [f"{round(float(x), 5) + 0.0:g}" for x in state.features]
            writer.writerow([f"{(state.time_ns - first_ns) / NS:.4f}", int(state.present), *values])
            count += 1
    return count
