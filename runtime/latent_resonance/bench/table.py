"""Figures for people: a line for each that is owed, one for all others of the same thing. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby

from latent_resonance.bench import FAMILIES
from latent_resonance.bench.measurement import Figure

NAME, CELL = 26, 23  # characters


def lines(figures: Iterable[Figure]) -> Iterator[str]:
    """The table, family by family, in the order of the figures."""
    for family, members in groupby(figures, key=lambda figure: figure.name.partition(".")[0]):
        yield f"{family}: {FAMILIES[family]}"
        for _, group in groupby(members, key=_line_of):
            yield _line(list(group))
        yield ""


def verdict(figures: Iterable[Figure]) -> str:
    """How many of the figures owed are met, and which are not."""
    owed = [figure for figure in figures if figure.owed is not None]
    missed = [figure.name for figure in owed if figure.ok is False]
    unknown = [figure.name for figure in owed if figure.ok is None]
    parts = [f"{sum(figure.ok is True for figure in owed)} of {len(owed)} figures owed are met"]
    parts += [f"missed: {', '.join(missed)}"] if missed else []
    parts += [f"not measured: {', '.join(unknown)}"] if unknown else []
    return "; ".join(parts)


def shown(figure: Figure) -> str:
    """Value and unit: three digits, and no more than three after the point."""
    value = figure.value
    if value is None:
        return "not measured"
    if isinstance(value, float):
        magnitude = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
        value = f"{value:.{min(max(2 - magnitude, 0), 3)}f}"
    return f"{value} {figure.unit}".rstrip()


def _line_of(figure: Figure) -> str:
    """What figures have in common that share a line: all but the last part of the name."""
    thing = figure.name.rpartition(".")[0]
    alone = figure.owed is not None or "." not in thing or figure.remark
    return figure.name if alone else thing


def _line(group: list[Figure]) -> str:
    first, *others = group
    name = _line_of(first)
    cells = map(_cell, group) if others or name != first.name else _judged(first)
    padded = " ".join(f"{cell:<{CELL}}" for cell in cells)
    return f"  {name.partition('.')[2]:<{NAME}}{padded}".rstrip()


def _cell(figure: Figure) -> str:
    return f"{figure.name.rpartition('.')[2]} {shown(figure)}"


def _judged(figure: Figure) -> tuple[str, str, str]:
    rule = "at least" if figure.at_least else "at most"
    owed = "" if figure.owed is None else f"{rule} {figure.owed:g}"
    return shown(figure), owed, {True: "ok", False: "MISSED", None: figure.remark}[figure.ok]
