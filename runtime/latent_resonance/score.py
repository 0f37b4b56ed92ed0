"""Scores: the movement of a face as a CSV of features, without images.

Columns `time_s`, `presence` (0 or 1) and any of the features by name; a missing column is
neutral, rows may have any spacing and are interpolated. `config/csv_table.py` reads what
spreadsheets make of such a file. A score is recorded from a clip, or composed; in attract mode,
the instrument plays one without a visitor.
"""

from __future__ import annotations

import csv
import stat
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.config.boundary import boundary
from latent_resonance.config.csv_table import Table, TableError, read_table
from latent_resonance.config.settings import Settings
from latent_resonance.config.text_encoding import HEAD_BYTES, encoding_of
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
COLUMNS = ("time_s", "presence", *FEATURES)
MIN_STEP_S = 1e-6  # between two rows
ROUNDING_TOLERANCE = 1e-3  # by which a printed number may exceed its range
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
    return ScoreWalk(_read_bundled_score())


@cache
def _read_bundled_score() -> Score:
    """The bundled score, which all share."""
    return read_score(bundled_score())


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
        with _opened(path) as file:
            table = read_table(file, COLUMNS, MAX_ROWS)
    except TableError as error:
        raise ScoreError(f"{path}{error}") from error
    except UnicodeError as error:
        raise ScoreError(
            f"{path}: cannot be read as a CSV (it is not text throughout); export the table as "
            "CSV, in UTF-8"
        ) from error
    except OSError as error:
        raise ScoreError(f"{path}: cannot be read as a CSV ({error})") from error
    if len(table.lines) < 2:
        raise ScoreError(f"{path}: a score needs a line of column names and at least two rows")
    return _score_of(path, table)


def _opened(path: Path) -> TextIO:
    """The text; of UTF-8, bytes that are none become surrogates, so that they have a column."""
    with path.open("rb") as file:
        encoding = encoding_of(file.read(HEAD_BYTES))
    errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
    return path.open(newline="", encoding=encoding, errors=errors)


def _score_of(path: Path, table: Table) -> Score:
    values, lines = np.array(table.values), table.lines
    column = {name: values[:, i] for i, name in enumerate(table.names)}
    time_s = column["time_s"]
    _check_times(path, time_s, lines)
    features = np.tile(neutral_features().astype(np.float64), (len(lines), 1))
    for i, name in enumerate(FEATURES):
        if name in column:
            features[:, i] = _clipped(path, name, column[name], lines)
    presence = column.get("presence", np.ones(len(lines)))
    if outside := [
        line for line, value in zip(lines, presence, strict=True) if value not in (0, 1)
    ]:
        raise ScoreError(f"{path}, line {outside[0]}: presence should be 0 or 1")
    return Score(time_s, presence, features)


def _check_times(path: Path, time_s: Float64Array, lines: list[int]) -> None:
    with np.errstate(over="ignore"):  # an infinite difference is over the limit
        rises = np.diff(time_s) > MIN_STEP_S / 2  # half: a printed microsecond is a rounded one
        late = time_s - time_s[0] > MAX_DURATION_S
    if not rises.all():
        raise ScoreError(
            f"{path}, line {lines[int(np.argmin(rises)) + 1]}: time_s must rise from row to row, "
            "by a microsecond or more; sort the rows, and keep one for each time"
        )
    if late.any():
        raise ScoreError(
            f"{path}, line {lines[int(np.argmax(late))]}: time_s is over {MAX_DURATION_S:.0f} "
            "seconds after the first row, and a score lasts a day at most; give the time in seconds"
        )


def _clipped(path: Path, name: str, values: Float64Array, lines: list[int]) -> Float64Array:
    """A feature within its range; warns if that changes more than its rounding."""
    low, high = FEATURE_RANGES[name]
    clipped = np.clip(values, low, high)
    outside = np.abs(values - clipped) > ROUNDING_TOLERANCE
    if outside.any():
        first = int(np.argmax(outside))
        warnings.warn(
            f"{path}, line {lines[first]}: {name} {values[first]:g} is not within {low:g} to "
            f"{high:g}; clipped, as are {np.count_nonzero(outside)} rows in all",
            ScoreWarning,
            stacklevel=2,
        )
    return clipped


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
