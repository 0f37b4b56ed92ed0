"""One tracker's turn: its readings of films and clips, and a row for each figure of them."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.support.reading_plot import draw
from tests.support.readings import Reading, limit, read, statistic, value_of
from tests.support.sized_clips import Clip

from latent_resonance.config.settings import Settings, TrackerName
from latent_resonance.eye.camera.image import Image

TRACKERS: tuple[TrackerName, ...] = ("mediapipe", "light")
NEAR_PX, FAR_PX = 80, 24  # pixels between the outer corners of the eyes
ALL_OF_IT = (0.0, 99.0)


@dataclass(frozen=True)
class Row:
    """One figure, in one line of a table."""

    table: str
    what: str
    tracker: str
    rate: float  # 0: the clip's own
    figure: str
    value: float
    bound: str
    met: bool

    def __str__(self) -> str:
        value = "–" if math.isnan(self.value) else f"{self.value:.3g}"
        rate = f"{self.rate:g}" if self.rate else "its own"
        figure = self.figure.replace("|", "\\|")  # which ends a column
        columns = (self.what, self.tracker, rate, figure, value, self.bound)
        mark = ("ok" if self.met else "**MISSED**") if self.bound else ""
        return f"| {' | '.join(columns)} | {mark} |"


@dataclass(frozen=True)
class Bench:
    """One tracker's turn: what to measure, and where to draw."""

    tracker: TrackerName
    rates: tuple[float, ...]
    films: tuple[str, ...]  # patterns
    clips: dict[str, Clip]
    pair: tuple[Clip, Clip] | None  # of which films of two people are made
    plots: Path | None
    noise_images: int

    def read(self, name: str, images: Iterator[Image] | list[Image], rate: float = 30.0) -> Reading:
        """The reading of a film, drawn if plots are asked for."""
        began_s = time.monotonic()
        choice = {"eye": {"tracker": self.tracker}, "camera": {"images_per_s": rate}}
        reading = read(images, Settings.model_validate(choice))
        took_s = time.monotonic() - began_s
        print(f"{self.tracker}: {name} ({took_s:.1f} s)", file=sys.stderr, flush=True)
        if self.plots:
            draw(reading, self.plots / f"{name.replace(' ', '-')}-{self.tracker}.png")
        return reading

    def row(self, table: str, what: str, sentence: str, value: float, rate: float = 0.0) -> Row:
        """A row with a value that was computed elsewhere."""
        due = limit(sentence)
        met = due.met(value)
        return Row(table, what, self.tracker, rate, str(due), value, due.bound_text, met)

    def rows(
        self,
        table: str,
        what: str,
        sentences: Sequence[str],
        reading: Reading,
        window_s: tuple[float, float] = ALL_OF_IT,
        rate: float = 0.0,
    ) -> Iterator[Row]:
        """A row for each limit of a film."""
        for sentence in sentences:
            value = value_of(limit(sentence), reading, window_s)
            yield self.row(table, what, sentence, value, rate)

    def wants(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.films)


def apart_rows(
    bench: Bench,
    table: str,
    what: str,
    sentences: Sequence[str],
    readings: tuple[Reading, Reading],
    window_s: tuple[float, float] = ALL_OF_IT,
    rate: float = 0.0,
) -> Iterator[Row]:
    """A row for each limit on how far a feature differs between two readings of one film."""
    for sentence in sentences:
        due = limit(sentence)
        value = statistic(differences(*readings, due.source, window_s), due.statistic)
        row = bench.row(table, what, sentence, value, rate)
        yield replace(row, figure=f"{due} of the difference")


def differences(
    one: Reading, other: Reading, feature: str, window_s: tuple[float, float] = ALL_OF_IT
) -> NDArray[np.float64]:
    """How far a feature differs, in each image of a time in which both see a face."""
    within = (one.times_s >= window_s[0]) & (one.times_s < window_s[1])
    both = one.present & other.present & within
    return np.abs(one.feature(feature) - other.feature(feature))[both]
