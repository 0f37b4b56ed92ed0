"""Contact sheets of spectrograms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def contact_sheet(spectrograms: np.ndarray, path: Path, columns: int = 6) -> None:
    """Draws spectrograms (n, n_mels, n_frames) in [-1, 1] as a grid, low frequencies below."""
    rows = -(-len(spectrograms) // columns)
    figure = Figure(figsize=(3 * columns, 3 * rows))
    FigureCanvasAgg(figure)  # draws into memory, without a display
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, spectrogram in zip(axes.flat, spectrograms, strict=False):
        axis.imshow(spectrogram, origin="lower", aspect="auto", cmap="magma", vmin=-1, vmax=1)
    figure.tight_layout(pad=0.3)
    figure.savefig(path, dpi=60)
