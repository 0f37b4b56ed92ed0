"""Scores: the movement of a face as a CSV, without a face.

Columns `time_s`, `presence` (0 or 1) and any of the features by name and unit; a missing
column stays neutral, rows may lie at any spacing and are interpolated. A score is what a
clip leaves behind when its pictures are gone, and what the instrument plays when nobody
is there.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.audio.wav import written_beside
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FEATURE_RANGES, FEATURES, FaceState, neutral_features

RATE_HZ = 30.0  # at which a score is read out
LARGEST = 64 * 1024 * 1024  # bytes
COLUMNS = ("time_s", "presence", *FEATURES)
NS = 1_000_000_000
SEAM_S = 2.0  # in which the end of a score melts into its beginning

Doubles = NDArray[np.float64]


class ScoreError(LatentResonanceError):
    """A score cannot be read; the message says where and why."""


class Score:
    """Movement over time, read at any instant.

    time_s : (n,) rising; presence : (n,) 0 or 1; features : (n, 16)
    """

    def __init__(self, time_s: Doubles, presence: Doubles, features: Doubles) -> None:
        self.time_s, self.presence, self.features = time_s, presence, features

    @property
    def duration_s(self) -> float:
        """From the first row to the last."""
        return float(self.time_s[-1] - self.time_s[0])

    def at(self, second: float) -> tuple[bool, NDArray[np.float32]]:
        """(somebody is there, features) at a second after the beginning, linearly interpolated."""
        second += self.time_s[0]
        row = min(max(int(np.searchsorted(self.time_s, second)), 1), len(self.time_s) - 1)
        width = self.time_s[row] - self.time_s[row - 1]
        share = min(max((second - self.time_s[row - 1]) / width, 0.0), 1.0)
        low, high = self.features[row - 1], self.features[row]
        present = self.presence[row if share >= 0.5 else row - 1] >= 0.5
        return bool(present), (low + (high - low) * share).astype(np.float32)

    def around(self, second: float) -> NDArray[np.float32]:
        """Features at a second of a score that goes round for ever, without a leap: (16,)."""
        seam_s = min(SEAM_S, self.duration_s / 4)
        turn_s = self.duration_s - seam_s
        turns, place_s = divmod(second, turn_s)
        features = self.at(place_s)[1]
        if turns == 0 or place_s >= seam_s:
            return features
        end = self.at(turn_s + place_s)[1]
        return (end + (features - end) * np.float32(place_s / seam_s)).astype(np.float32)

    def states(self) -> Iterator[FaceState]:
        """The whole score at RATE_HZ, the first at time 0."""
        for i in range(int(self.duration_s * RATE_HZ) + 1):
            present, features = self.at(i / RATE_HZ)
            yield FaceState(i, int(i * NS / RATE_HZ), present, features)


def bundled_score() -> Path:
    """The score that comes with the instrument: composed movement, no face."""
    return Path(str(resources.files("latent_resonance") / "scores" / "attract.csv"))


def attract_score(settings: Settings) -> Score:
    """The score for when nobody is there: the settings' own or the bundled one."""
    return read_score(Path(settings.attract.score) if settings.attract.score else bundled_score())


def is_score(path: Path) -> bool:
    """Whether a source is a score rather than a video, by its name."""
    return path.suffix.lower() == ".csv"


def read_score(path: Path) -> Score:
    """Reads and checks a score.

    Raises
    ------
    ScoreError
        The file is missing, too large, not a CSV, or a value breaks a rule.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise ScoreError(f"{path}: larger than 64 MiB; split the score")
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ScoreError(f"{path}: cannot be read as a CSV ({error})") from error
    rows = [row for row in rows if row]
    if len(rows) < 3:
        raise ScoreError(f"{path}: a score needs a line of column names and at least two rows")
    return _score_of(path, [name.strip() for name in rows[0]], rows[1:])


def _score_of(path: Path, names: list[str], rows: list[list[str]]) -> Score:
    _check_names(path, names)
    table = np.array([_numbers(path, i, row, names) for i, row in enumerate(rows, start=2)])
    column = {name: table[:, i] for i, name in enumerate(names)}
    time_s = column["time_s"]
    if not (np.diff(time_s) > 0).all():
        line = int(np.argmin(np.diff(time_s) > 0)) + 3
        raise ScoreError(f"{path}, line {line}: time_s must rise from row to row")
    features = np.tile(neutral_features().astype(np.float64), (len(rows), 1))
    for i, name in enumerate(FEATURES):
        if name in column:
            features[:, i] = np.clip(column[name], *FEATURE_RANGES[name])
    return Score(time_s, column.get("presence", np.ones(len(rows))), features)


def _check_names(path: Path, names: list[str]) -> None:
    if "time_s" not in names:
        raise ScoreError(f"{path}: no column time_s (seconds); the first line names the columns")
    for name in names:
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"the columns are {', '.join(COLUMNS)}"
            raise ScoreError(f"{path}: unknown column {name!r}; {hint}")
    if len(set(names)) != len(names):
        raise ScoreError(f"{path}: a column is named twice")


def _numbers(path: Path, line: int, row: list[str], names: list[str]) -> list[float]:
    if len(row) != len(names):
        raise ScoreError(f"{path}, line {line}: {len(row)} values for {len(names)} columns")
    try:
        values = [float(cell) for cell in row]
    except ValueError as error:
        raise ScoreError(f"{path}, line {line}: not a number ({error})") from error
    if not np.isfinite(values).all():
        raise ScoreError(f"{path}, line {line}: a value is not finite")
    return values


def write_score(path: Path, states: Iterable[FaceState]) -> int:
    """Writes the score of a sequence of states (nothing else of them); returns the rows written."""
    count = 0
    with written_beside(path) as beside, beside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        first_ns = None
        for state in states:
            first_ns = state.time_ns if first_ns is None else first_ns
            values = [f"{round(float(x), 5) + 0.0:g}" for x in state.features]
            writer.writerow([f"{(state.time_ns - first_ns) / NS:.4f}", int(state.present), *values])
            count += 1
    return count
