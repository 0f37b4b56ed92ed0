"""Quality over cost: one panel a kind of signal, one curve a method."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from latent_resonance.linux.atomic_file import atomic_path

from .measures import Row
from .summary import mean_points

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

KINDS = {
    "tonal": "cello, violin, choir, speech",
    "test": "noise, sweep, clicks",
    "mel": "the first four through mel",
    "pack": "the pack's own spectrograms (inconsistent)",
}
COSTS = (0.02, 0.05, 0.1, 0.2, 0.5)  # ticks, s/s
# Okabe & Ito (2008): distinct with any colour vision; the markers are distinct in grey.
STYLES = {
    "ours 3": ("#56B4E9", "o", "ours, look-ahead 3 (75 ms)"),
    "ours 7": ("#0072B2", "s", "ours, look-ahead 7 (117 ms)"),
    "ours 11": ("#000000", "*", "ours, look-ahead 11 (160 ms)"),
    "librosa": ("#D55E00", "^", "librosa 8, 16, 32, 64 (offline)"),
    "torch": ("#E69F00", "v", "torch 8, 16, 32, 64 (offline)"),
    "pghipy+torch": ("#009E73", "D", "pghipy, then torch 0, 8, 32 (offline)"),
}


def draw(rows: Sequence[Row], path: Path) -> None:
    """Writes the plot as PNG.

    Raises
    ------
    OutputFileError
        The file cannot be written.
    """
    kinds = [kind for kind in KINDS if any(row.kind == kind for row in rows)]
    figure, panels = plt.subplots(2, 2, figsize=(10, 7.6), sharex=True, layout="constrained")
    for axes, kind in zip(panels.flat, kinds, strict=False):
        _panel(axes, [row for row in rows if row.kind == kind])
        axes.set_title(KINDS[kind], fontsize=10, loc="left")
    for axes in panels.flat[len(kinds) :]:
        axes.set_visible(False)
    figure.supxlabel("processor seconds for a second of sound, one thread (log)", fontsize=10)
    figure.supylabel("spectral convergence, dB: higher up is better", fontsize=10)
    handles, labels = panels.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=110, format="png")
    plt.close(figure)


def _panel(axes: Axes, rows: Sequence[Row]) -> None:
    """The curves of one kind of signal, means over its signals."""
    for curve, (colour, marker, label) in STYLES.items():
        points = mean_points(rows, curve)
        if points:
            axes.plot(*zip(*points, strict=True), color=colour, marker=marker, label=label)
    axes.set_xscale("log")
    axes.set_xticks(COSTS, [f"{cost:g}" for cost in COSTS])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
