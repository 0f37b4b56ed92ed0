"""The plot of a soak: level, memory, images, underflows, latency, and recoveries."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from tests.system.soaking.processes import ROLES
from tests.system.soaking.report import Line, of_kind

KINDS = {
    "camera": "tab:blue",
    "eye": "tab:cyan",
    "sound": "tab:orange",
    "data": "tab:green",
    "machine": "tab:red",
}


def draw(lines: list[Line], path: Path) -> None:
    """Write the plot as PNG."""
    panels = (_loudness, _memory, _handles, _images, _underflows, _latency, _recovery)
    figure, axes = plt.subplots(len(panels), 1, figsize=(14, 18), sharex=True, layout="constrained")
    for panel, axis in zip(panels, axes, strict=True):
        for fault in of_kind(lines, "fault"):
            ends = fault["at_s"] + fault["lasted_s"]
            axis.axvspan(fault["at_s"], ends, color=KINDS[fault["of"]], alpha=0.25, lw=0)
        panel(axis, lines)
        axis.grid(alpha=0.3)
    axes[-1].set_xlabel("seconds")
    spans = [plt.Rectangle((0, 0), 1, 1, color=colour, alpha=0.25) for colour in KINDS.values()]
    figure.legend(spans, [f"fault: {kind}" for kind in KINDS], loc="outside upper right", ncols=5)
    figure.savefig(path, dpi=80)
    plt.close(figure)


def _over_time(lines: list[Line], key: str) -> tuple[list[float], list[float | None]]:
    samples = of_kind(lines, "sample")
    return [s["at_s"] for s in samples], [s.get(key) for s in samples]


def _loudness(axis: Axes, lines: list[Line]) -> None:
    at, level = _over_time(lines, "level_db")
    axis.plot(at, [float("nan") if value is None else value for value in level], lw=0.8)
    for silence in of_kind(lines, "silence"):
        mark, colour = "x" if silence["abrupt"] else "_", "grey" if silence["excused"] else "red"
        axis.plot(silence["at_s"], -90, mark, color=colour)
    axis.set_ylabel("level (dBFS)\n× gaps, – quiet")


def _memory(axis: Axes, lines: list[Line]) -> None:
    _figures(axis, lines, "rss_mib")
    axis.set_ylabel("resident (MiB)")
    axis.legend(loc="upper left")


def _handles(axis: Axes, lines: list[Line]) -> None:
    _figures(axis, lines, "files")
    axis.set_ylabel("open files")


def _figures(axis: Axes, lines: list[Line], key: str) -> None:
    samples = of_kind(lines, "sample")
    for role in ROLES:
        present = [(s["at_s"], s[role][key]) for s in samples if s.get(role)]
        if present:
            axis.plot(*zip(*present, strict=True), ".", ms=2, label=role)


def _images(axis: Axes, lines: list[Line]) -> None:
    axis.plot(*_over_time(lines, "images_per_s"), lw=0.8)
    at, visited = _over_time(lines, "visitor")
    axis.fill_between(at, [3 * bool(present) for present in visited], step="post", alpha=0.4)
    axis.set_ylabel("images/s\nvisitors")


def _underflows(axis: Axes, lines: list[Line]) -> None:
    axis.plot(*_over_time(lines, "underflows"), drawstyle="steps-post")
    axis.set_ylabel("underflows so far")


def _latency(axis: Axes, lines: list[Line]) -> None:
    for gesture, mark in (("open", "."), ("sham", "x")):
        points = [
            (g["at_s"], g["heard_ms"])
            for g in of_kind(lines, "gesture")
            if g["gesture"] == gesture and g["heard_ms"] is not None
        ]
        if points:
            axis.plot(*zip(*points, strict=True), mark, label=gesture)
            axis.legend(loc="upper left")
    axis.set_ylabel("mouth opens\nto onset (ms)")


def _recovery(axis: Axes, lines: list[Line]) -> None:
    for fault in of_kind(lines, "fault"):
        took = 1.5 * fault["limit_s"] if fault["well_s"] is None else fault["well_s"]
        mark = "o" if fault["recovered"] else "X"
        axis.plot(fault["at_s"], max(took, 0.02), mark, color=KINDS[fault["of"]])
    axis.set_yscale("log")
    axis.set_ylabel("recovered after (s)\n× too late or never")
