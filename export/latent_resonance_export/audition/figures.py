"""The pictures of an audition: real above generated, from z to z, what lies nearest, the steps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.audition import nearest_neighbour
from latent_resonance_export.audition.generator import Subject
from latent_resonance_export.audition.invert import between
from latent_resonance_export.audition.metrics import Measured, spread
from latent_resonance_export.audition.seam import step_profile
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.report.canvas import (
    DIM,
    GENERATED,
    REAL,
    Canvas,
    label_hertz,
    label_seconds,
)

FloatArray = NDArray[np.float32]
SIDE, GAP = 256, 10  # pixels of a picture, and between two
LEFT, TOP, BOTTOM = 74, 84, 34  # margins
COLUMNS, ROWS = 6, 2  # of the sheet, for each of real and generated
JOURNEYS, STEPS = 4, 7  # from z to z
NEIGHBOURS = 3
CASES = 3  # generated clips shown with their neighbours, of each kind
SMALL = 184  # pixels of a picture among its neighbours
GROUP = ((1 + NEIGHBOURS) * (SMALL + 6) + 50, SMALL + 44)  # pixels, with what is around it


def draw_sheet(measured: Measured, subject: Subject, path: Path) -> None:
    """Held-out clips above, what is generated from the first random z below: nothing chosen."""
    kinds = [("generated", "from random z, not chosen", GENERATED, measured.generated)]
    if measured.real is not None:
        kinds.insert(0, ("real", "never trained on", REAL, measured.real))
    block = TOP + ROWS * (SIDE + GAP) + GAP
    canvas = Canvas(_width(COLUMNS), len(kinds) * block + BOTTOM)
    for i, (name, what, colour, pictures) in enumerate(kinds):
        _heading(canvas, f"{subject.name}, {name}", what, i * block, colour)
        shown = pictures[spread(np.arange(len(pictures)), min(COLUMNS * ROWS, len(pictures)))]
        _grid(canvas, shown, subject.geometry, i * block + TOP, COLUMNS)
    canvas.write(path)


def draw_interpolations(subject: Subject, path: Path, seed: int) -> None:
    """Rows from one random z to another along a great circle."""
    z = subject.draw(2 * JOURNEYS, seed)
    shares = np.linspace(0, 1, STEPS)
    ways = [between(z[2 * i], z[2 * i + 1], float(s)) for i in range(JOURNEYS) for s in shares]
    pictures = np.stack(list(subject.stream(np.stack(ways))))
    canvas = Canvas(_width(STEPS), TOP + JOURNEYS * (SIDE + GAP) + BOTTOM)
    what = "each row goes along a great circle; both its ends are random z"
    _heading(canvas, f"{subject.name}, from z to z", what, 0, GENERATED)
    _grid(canvas, pictures, subject.geometry, TOP, STEPS)
    canvas.write(path)


def draw_neighbours(measured: Measured, dataset: Dataset, name: str, path: Path) -> None:
    """Generated clips, each with the training clips nearest to it, turned to lie alike.

    On the left those that are nearest of all, on the right those that are as near as most.
    """
    near, near_real, training = measured.near, measured.near_real, measured.training
    if near is None or near_real is None or training is None:
        raise ValueError("neighbours need a dataset")
    usual = float(np.median(near_real.min(axis=1)))
    width, height = GROUP
    canvas = Canvas(LEFT + 2 * width, TOP + 30 + CASES * height)
    what = f"over each, its distance; 1 is the usual one of a held-out clip, {usual:.3f} in pixels"
    _heading(canvas, f"{name}, and its nearest training clips", what, 0, GENERATED)
    order = near.min(axis=1).argsort(kind="stable")
    middle = max(len(order) // 2 - CASES // 2, 0)
    for column, (title, first) in enumerate(
        (("the nearest of all", 0), ("as near as most", middle))
    ):
        left = LEFT + column * width
        canvas.words(title, left, TOP + 14, size=10, colour=DIM)
        for row, case in enumerate(order[first : first + CASES]):
            found = near[case].argsort(kind="stable")[:NEIGHBOURS]
            turned = _turned(measured.generated[case], dataset.pictures(training[found]))
            shares = near[case][found] / max(usual, 1e-9)
            place = (left, TOP + 56 + row * height)
            _group(canvas, measured.generated[case], turned, shares, place)
    canvas.write(path)


def draw_steps(measured: Measured, subject: Subject, path: Path) -> None:
    """How large the step into each frame usually is: a comb is a grain printed on every picture."""
    width, height = 1100, 330
    canvas = Canvas(width, height)
    what = "step into each frame over the clip's median step, median over the clips"
    _heading(canvas, f"{subject.name}, frame to frame", what, 0, GENERATED)
    axes = canvas.axes(LEFT, TOP, width - LEFT - 30, height - TOP - BOTTOM)
    if measured.real is not None:
        axes.plot(step_profile(measured.real), color=REAL, lw=1.2, label="real", zorder=3)
    profile = step_profile(measured.generated)
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
    canvas.words(title, LEFT, top + 36, size=15, colour=colour)
    canvas.words(what, LEFT, top + 62, size=9, colour=DIM)


def _grid(canvas: Canvas, pictures: FloatArray, geometry: Geometry, top: int, columns: int) -> None:
    """Rows of pictures; hertz beside the first column, seconds below the last row."""
    for i, picture in enumerate(pictures):
        row, column = divmod(i, columns)
        x, y = LEFT + column * (SIDE + GAP), top + row * (SIDE + GAP)
        axes = canvas.picture(picture, x, y, SIDE, SIDE)
        if column == 0:
            label_hertz(axes, geometry)
        if i + columns >= len(pictures):
            label_seconds(axes, geometry)


def _turned(picture: FloatArray, others: FloatArray) -> list[FloatArray]:
    """The others, each rolled so that it lies best on the picture."""
    turns = nearest_neighbour.best_turn(
        nearest_neighbour.prepare(picture[None]), nearest_neighbour.prepare(others)
    )
    return [np.roll(other, turn, axis=1) for other, turn in zip(others, turns, strict=True)]


def _group(
    canvas: Canvas,
    picture: FloatArray,
    neighbours: list[FloatArray],
    shares: NDArray[np.float32],
    place: tuple[int, int],
) -> None:
    (left, top), side = place, SMALL
    canvas.words("generated", left + side / 2, top - 12, size=8.5, colour=GENERATED, ha="center")
    canvas.picture(picture, left, top, side, side)
    for i, (neighbour, share) in enumerate(zip(neighbours, shares, strict=True)):
        x = left + 10 + (i + 1) * (side + 6)
        canvas.words(f"{share:.2f}", x + side / 2, top - 12, size=8.5, colour=REAL, ha="center")
        canvas.picture(neighbour, x, top, side, side)
