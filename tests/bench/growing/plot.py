"""One panel per curve: its measured points and the fitted law."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np

from latent_resonance.linux.atomic_file import atomic_path

from .measures import MeasuredCurve

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

COLUMNS = 3
BLUE, ORANGE = "#0072B2", "#D55E00"  # Okabe & Ito (2008): distinct with any colour vision


def draw(found: Sequence[MeasuredCurve], path: Path) -> None:
    """Writes the plot as PNG.

    Raises
    ------
    OutputFileError
        The file cannot be written.
    """
    rows = -(-len(found) // COLUMNS)
    figure, panels = plt.subplots(
        rows, COLUMNS, figsize=(10, 2.6 * rows), layout="constrained", squeeze=False
    )
    for axes, measured in zip(panels.flat, found, strict=False):
        _panel(axes, measured)
    for axes in panels.flat[len(found) :]:
        axes.set_visible(False)
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    plt.close(figure)


def _panel(axes: Axes, measured: MeasuredCurve) -> None:
    """A curve with its law."""
    curve = measured.curve
    x = np.linspace(0.0, max(measured.x), 50)
    axes.plot(x, measured.fit.at(x), color=ORANGE, linewidth=1, label=str(measured.fit))
    axes.plot(measured.x, measured.costs, "o", color=BLUE, markersize=4)
    axes.set_title(f"{curve.title}, {curve.unit}", fontsize=9, loc="left")
    axes.set_xlabel(curve.quantity, fontsize=8)
    axes.set_ylim(0.0, 1.3 * max(measured.costs))  # the law is written above the points
    axes.tick_params(labelsize=8)
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
