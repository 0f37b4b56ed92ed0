"""Contact sheets of spectrograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

DPI = 60
CELL = 180.0  # pixels from one spectrogram to the next
GAP = 2.5  # pixels around each spectrogram


def contact_sheet(spectrograms: np.ndarray, path: Path, columns: int = 6) -> None:
    """Draws spectrograms (n, n_mels, n_frames) in [-1, 1] as a grid, low frequencies below.

    All are drawn into one pair of axes: a pair for each, with its ticks, takes twice as long.
    """
    rows = -(-len(spectrograms) // columns)
    width, height = CELL * columns, CELL * rows
    figure = Figure(figsize=(width / DPI, height / DPI))
    FigureCanvasAgg(figure)  # draws into memory, without a display
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.axis("off")
    step_x, step_y = (width - GAP) / columns, (height - GAP) / rows
    for i, spectrogram in enumerate(spectrograms):
        left, top = GAP + step_x * (i % columns), height - GAP - step_y * (i // columns)
        extent = (left, left + step_x - GAP, top - step_y + GAP, top)
        axes.imshow(spectrogram, origin="lower", extent=extent, cmap="magma", vmin=-1, vmax=1)
    axes.set(xlim=(0, width), ylim=(0, height), aspect="auto")
    figure.savefig(path, dpi=DPI)
