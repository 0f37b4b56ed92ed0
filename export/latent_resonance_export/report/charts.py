"""Plots embedded in a page, as PNG: a loop as a thumbnail, counts as a histogram. Pure."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from PIL import Image

from latent_resonance_export.report.canvas import DIM

SIDE = 160  # of a thumbnail, in pixels
SIZE, DPI = (4.8, 2.2), 200  # of a histogram, in inches; twice the pixels of its place in a page
RAISED, KEPT, REJECTED, LIMIT = "#1a1a21", "#f2a65a", "#6d6a78", "#ff5d73"  # as in style.css
SMALL = 7  # points
ROOM = 1.25  # height of the axes over the highest bar, for the limit's name


def thumbnail(pixels: NDArray[np.uint8]) -> bytes:
    """A PNG of pixels (n_mels, n_frames), low frequencies at the bottom."""
    image = Image.fromarray(np.ascontiguousarray(pixels[::-1]))
    image = image.resize((SIDE, SIDE), Image.Resampling.BOX).convert("L").convert("P")
    image.putpalette(_palette())
    content = io.BytesIO()
    image.save(content, "PNG", optimize=True)
    return content.getvalue()


@lru_cache(maxsize=1)
def _palette() -> bytes:
    colours = mpl.colormaps["magma"](np.arange(256))[:, :3]
    return (colours * 255).round().astype(np.uint8).tobytes()


@dataclass(frozen=True)
class Histogram:
    """Counts of clips per value, kept stacked on rejected, and the limit between them."""

    title: str
    unit: str
    low: float
    high: float
    step: float
    limit: float
    limit_name: str

    def png(self, kept: list[float], rejected: list[float]) -> bytes:
        """The plot; values outside the range count in the outer bars."""
        figure = Figure(figsize=SIZE, dpi=DPI, facecolor=RAISED, layout="constrained")
        FigureCanvasAgg(figure)  # needs no display
        axes = figure.add_subplot(facecolor=RAISED)
        self._draw_bars(axes, kept, rejected)
        self._draw_limit(axes)
        self._style(axes)
        content = io.BytesIO()
        figure.savefig(content, format="png", metadata={"Software": None})
        return content.getvalue()

    def caption(self, kept: list[float], rejected: list[float]) -> str:
        """What it shows, in words."""
        counts = f"{len(kept):,} loops kept, {len(rejected):,} rejected"
        return f"{self.title}: {counts}; {self.limit_name} {self.limit:g}"

    def _draw_bars(self, axes: Axes, kept: list[float], rejected: list[float]) -> None:
        edges = np.arange(self.low, self.high + self.step / 2, self.step)
        inner = (edges[0] + 1e-9, edges[-1] - 1e-9)
        values = [np.clip(each, *inner) for each in (kept, rejected)]
        axes.hist(values, edges.tolist(), stacked=True, color=(KEPT, REJECTED), rwidth=0.9)
        axes.set_xlim(self.low, self.high)
        axes.set_ylim(0, max(axes.get_ylim()[1] * ROOM, 1))

    def _draw_limit(self, axes: Axes) -> None:
        limit = min(max(self.limit, self.low), self.high)
        axes.axvline(limit, color=LIMIT, lw=1, ls="--")
        on_the_right = limit > (self.low + self.high) / 2
        axes.annotate(
            f"{self.limit_name} {self.limit:g}",
            (limit, 0.99),
            (-4 if on_the_right else 4, 0),
            xycoords=axes.get_xaxis_transform(),
            textcoords="offset points",
            ha="right" if on_the_right else "left",
            va="top",
            color=LIMIT,
            fontsize=SMALL,
        )

    def _style(self, axes: Axes) -> None:
        axes.spines[:].set_visible(False)
        axes.tick_params(colors=DIM, labelsize=SMALL, length=2)
        axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        axes.set_xlabel(f"{self.title}, {self.unit}", color=DIM, fontsize=SMALL)
