"""The plots of an audition: contact sheet, interpolations, nearest clips, step profile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.audition import nearest_neighbour
from latent_resonance_export.audition.invert import slerp
from latent_resonance_export.audition.metrics import Measurements
from latent_resonance_export.audition.seam import step_profile
from latent_resonance_export.audition.subject import Subject
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.validation import spread
from latent_resonance_export.report.canvas import (
    DIM,
    GENERATED,
    REAL,
    Canvas,
    label_hertz,
    label_seconds,
)

FloatArray = NDArray[np.float32]
SIDE, GAP = 256, 10  # pixels of a spectrogram, and between two
LEFT, TOP, BOTTOM = 74, 84, 34  # margins
COLUMNS, ROWS = 6, 2  # of the contact sheet, for each of real and generated
N_PATHS, STEPS = 4, 7  # interpolations, and spectrograms in each
NEIGHBOURS = 3
CASES = 3  # generated clips with their neighbours, of each kind
SMALL = 184  # pixels of a spectrogram among its neighbours
GROUP = ((1 + NEIGHBOURS) * (SMALL + 6) + 50, SMALL + 44)  # pixels, with margins


def draw_sheet(measurements: Measurements, subject: Subject, path: Path) -> None:
    """Held-out clips above generated ones, from the first random z: not selected."""
    kinds = [("generated", "from random z, not selected", GENERATED, measurements.generated)]
    if measurements.real is not None:
        kinds.insert(0, ("real", "held out of training", REAL, measurements.real))
    block = TOP + ROWS * (SIDE + GAP) + GAP
    canvas = Canvas(_width(COLUMNS), len(kinds) * block + BOTTOM)
    for i, (name, what, colour, spectrograms) in enumerate(kinds):
        _heading(canvas, f"{subject.name}, {name}", what, i * block, colour)
        shown = spectrograms[
            spread(np.arange(len(spectrograms)), min(COLUMNS * ROWS, len(spectrograms)))
        ]
        _grid(canvas, shown, subject.geometry, i * block + TOP, COLUMNS)
    canvas.write(path)


def draw_interpolations(subject: Subject, path: Path, seed: int) -> None:
    """Rows of interpolations from one random z to another along a great circle."""
    z = subject.draw_z(2 * N_PATHS, seed)
    shares = np.linspace(0, 1, STEPS)
    path_z = [slerp(z[2 * i], z[2 * i + 1], float(s)) for i in range(N_PATHS) for s in shares]
    spectrograms = np.stack(list(subject.spectrograms_of(np.stack(path_z))))
    canvas = Canvas(_width(STEPS), TOP + N_PATHS * (SIDE + GAP) + BOTTOM)
    what = "each row follows a great circle between two random z"
    _heading(canvas, f"{subject.name}, interpolations", what, 0, GENERATED)
    _grid(canvas, spectrograms, subject.geometry, TOP, STEPS)
    canvas.write(path)


def draw_neighbours(measurements: Measurements, dataset: Dataset, name: str, path: Path) -> None:
    """Generated clips, each with the training clips nearest to it, rolled to fit.

    Left: those with the smallest distance; right: those with the median distance.

    Raises
    ------
    ValueError
        There is no dataset.
    """
    near, near_real, training = measurements.near, measurements.near_real, measurements.training
    if near is None or near_real is None or training is None:
        raise ValueError("neighbours need a dataset")
    usual = float(np.median(near_real.min(axis=1)))
    width, height = GROUP
    canvas = Canvas(LEFT + 2 * width, TOP + 30 + CASES * height)
    what = f"above each: its distance; 1 is the median of held-out clips, {usual:.3f} in pixels"
    _heading(canvas, f"{name}, and its nearest training clips", what, 0, GENERATED)
    order = near.min(axis=1).argsort(kind="stable")
    middle = max(len(order) // 2 - CASES // 2, 0)
    for column, (title, first) in enumerate(
        (("smallest distance", 0), ("median distance", middle))
    ):
        left = LEFT + column * width
        canvas.text(title, left, TOP + 14, size=10, colour=DIM)
        for row, case in enumerate(order[first : first + CASES]):
            found = near[case].argsort(kind="stable")[:NEIGHBOURS]
            aligned = _align(measurements.generated[case], dataset.spectrograms(training[found]))
            shares = near[case][found] / max(usual, 1e-9)
            position = (left, TOP + 56 + row * height)
            _group(canvas, measurements.generated[case], aligned, shares, position)
    canvas.write(path)


def draw_steps(measurements: Measurements, subject: Subject, path: Path) -> None:
    """The median step into each frame: a comb is a grain in every spectrogram."""
    width, height = 1100, 330
    canvas = Canvas(width, height)
    what = "step into each frame over the clip's median step, median over the clips"
    _heading(canvas, f"{subject.name}, frame to frame", what, 0, GENERATED)
    axes = canvas.axes(LEFT, TOP, width - LEFT - 30, height - TOP - BOTTOM)
    if measurements.real is not None:
        axes.plot(step_profile(measurements.real), color=REAL, lw=1.2, label="real", zorder=3)
    profile = step_profile(measurements.generated)
    axes.plot(profile, color=GENERATED, lw=0.9, label="generated")
    axes.axhline(1, color=DIM, lw=0.6, ls=":")
    axes.set_xlim(0, subject.geometry.n_frames - 1)
    axes.set_ylim(0, max(2.0, float(profile[np.isfinite(profile)].max(initial=1.0)) * 1.1))
    axes.set_xlabel("frame", color=DIM, fontsize=8)
    axes.legend(loc="upper right", fontsize=8, frameon=False, labelcolor="linecolor", ncols=2)
    canvas.write(path)


def _width(columns: int) -> int:
    return LEFT + columns * (SIDE + GAP) + 20


def _heading(canvas: Canvas, title: str, what: str, top: int, colour: str) -> None:
    canvas.text(title, LEFT, top + 36, size=15, colour=colour)
    canvas.text(what, LEFT, top + 62, size=9, colour=DIM)


def _grid(
    canvas: Canvas, spectrograms: FloatArray, geometry: Geometry, top: int, columns: int
) -> None:
    """Rows of spectrograms; hertz beside the first column, seconds below the last row."""
    for i, spectrogram in enumerate(spectrograms):
        row, column = divmod(i, columns)
        x, y = LEFT + column * (SIDE + GAP), top + row * (SIDE + GAP)
        axes = canvas.spectrogram(spectrogram, x, y, SIDE, SIDE)
        if column == 0:
            label_hertz(axes, geometry)
        if i + columns >= len(spectrograms):
            label_seconds(axes, geometry)


def _align(spectrogram: FloatArray, others: FloatArray) -> list[FloatArray]:
    """The others, each rolled to fit the spectrogram."""
    shifts = nearest_neighbour.best_roll(
        nearest_neighbour.prepare(spectrogram[None]), nearest_neighbour.prepare(others)
    )
    return [np.roll(other, shift, axis=1) for other, shift in zip(others, shifts, strict=True)]


def _group(
    canvas: Canvas,
    spectrogram: FloatArray,
    neighbours: list[FloatArray],
    shares: NDArray[np.float32],
    position: tuple[int, int],
) -> None:
    (left, top), side = position, SMALL
    canvas.text("generated", left + side / 2, top - 12, size=8.5, colour=GENERATED, ha="center")
    canvas.spectrogram(spectrogram, left, top, side, side)
    for i, (neighbour, share) in enumerate(zip(neighbours, shares, strict=True)):
        x = left + 10 + (i + 1) * (side + 6)
        canvas.text(f"{share:.2f}", x + side / 2, top - 12, size=8.5, colour=REAL, ha="center")
        canvas.spectrogram(neighbour, x, top, side, side)
