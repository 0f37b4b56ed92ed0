"""Measure curves and fit their laws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median

import numpy as np

from .curves import Curve
from .laws import Fit, fit


@dataclass(frozen=True)
class MeasuredCurve:
    """A curve with its measured costs.

    Attributes
    ----------
    x, costs : (n,) the settings and the median cost of each
    """

    curve: Curve
    x: tuple[float, ...]
    costs: tuple[float, ...]
    fit: Fit


def measure(
    selected: Iterable[Curve], seconds: float, turns: int, log: Callable[[str], None]
) -> Iterator[MeasuredCurve]:
    """Measure the curves one by one, all points of a curve `turns` times in turn."""
    for curve in selected:
        x = tuple(float(each) for each in curve.settings)
        rounds: list[list[float]] = []
        for turn in range(turns):
            log(f"{curve.title} over {curve.quantity}, turn {turn + 1} of {turns}")
            rounds.append([curve.cost(each, seconds) for each in x])
        costs = tuple(median(column) for column in zip(*rounds, strict=True))
        yield MeasuredCurve(curve, x, costs, fit(curve.law, x, costs))


def table(found: Iterable[MeasuredCurve]) -> Iterator[str]:
    """A Markdown table with a row per curve."""
    yield "| cost | of x = | measured | law | off by at most |"
    yield "|---|---|---|---|---|"
    for each in found:
        points = ", ".join(
            f"{_short(x)}: {_short(cost)}" for x, cost in zip(each.x, each.costs, strict=True)
        )
        title = f"{each.curve.title}, {each.curve.unit}"
        law = f"{each.fit} | {100 * each.fit.max_error:.0f} %"
        yield f"| {title} | {each.curve.quantity} | {points} | {law} |"


def _short(value: float) -> str:
    """Three digits; large numbers without decimals."""
    return f"{value:.0f}" if value >= 100.0 else f"{value:.3g}"


def rows(found: Iterable[MeasuredCurve]) -> Iterator[dict[str, float | str]]:
    """CSV rows, one per point."""
    for each in found:
        curve, laws = each.curve, each.fit.at(np.array(each.x))
        for x, cost, law in zip(each.x, each.costs, laws, strict=True):
            yield {
                "cost": curve.title,
                "quantity": curve.quantity,
                "x": f"{x:.6g}",
                "measured": f"{cost:.4g}",
                "law": f"{law:.4g}",
                "unit": curve.unit,
            }
