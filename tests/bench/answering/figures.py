"""A figure with its target, and the tables that show it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD = "| pack | what | figure | before | value | target | |\n" + "|---" * 7 + "|"
Before = dict[tuple[str, str, str, str], float]  # value of each figure of an earlier run, by `key`


@dataclass(frozen=True)
class Target:
    """At most or at least a bound."""

    sign: str  # "≤" or "≥"
    bound: float

    def __str__(self) -> str:
        return f"{self.sign} {self.bound:g}"

    def met(self, value: float) -> bool:
        """Whether a value keeps it; not a number never does."""
        return value <= self.bound if self.sign == "≤" else value >= self.bound


def at_least(bound: float) -> Target:
    return Target("≥", bound)


def at_most(bound: float) -> Target:
    return Target("≤", bound)


@dataclass(frozen=True)
class Figure:
    """One figure: one line of a table."""

    table: str
    pack: str
    what: str
    figure: str
    unit: str
    value: float
    target: Target | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return self.table, self.pack, self.what, self.figure

    @property
    def missed(self) -> bool:
        return self.target is not None and not self.target.met(self.value)


def line(figure: Figure, before: Before) -> str:
    """A line of the Markdown table, with the value of an earlier run if there is one."""
    earlier = before.get(figure.key, math.nan)
    name = f"{figure.figure}, {figure.unit}" if figure.unit else figure.figure
    target = str(figure.target or "")
    mark = "" if figure.target is None else "**MISSED**" if figure.missed else "ok"
    cells = (figure.pack, figure.what, name, shown(earlier), shown(figure.value), target, mark)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def shown(value: float) -> str:
    """Three digits; a dash for not a number."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def lines(figures: Iterable[Figure], before: Before) -> Iterator[tuple[str, Figure]]:
    """(text to print, figure) of each figure as it comes, with a heading above each table."""
    table = ""
    for figure in figures:
        heading = f"\n**{figure.table}**\n\n{HEAD}\n" if figure.table != table else ""
        table = figure.table
        yield heading + line(figure, before), figure


def write_json(path: Path, figures: Iterable[Figure]) -> None:
    path.write_text(json.dumps([row(figure) for figure in figures], indent=1) + "\n")


def row(figure: Figure) -> dict[str, object]:
    """Not a number becomes null, as JSON requires."""
    value = None if math.isnan(figure.value) else round(figure.value, 5)
    target = str(figure.target) if figure.target else None
    return asdict(figure) | {"value": value, "target": target, "ok": not figure.missed}


def read_json(path: Path) -> Before:
    """The values of an earlier run.

    Raises
    ------
    ValueError
        The file is not such a list.
    OSError
        It cannot be read.
    """
    try:
        return {
            (row["table"], row["pack"], row["what"], row["figure"]): math.nan
            if row["value"] is None
            else float(row["value"])
            for row in json.loads(path.read_text())
        }
    except (KeyError, TypeError) as error:
        raise ValueError("not a list of figures as --json writes them") from error
