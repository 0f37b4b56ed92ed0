"""The printed table: a line per value with a target, one for all others of a quantity. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import groupby

from latent_resonance.bench import FAMILIES
from latent_resonance.bench.measurement import Measurement

NAME, CELL = 26, 23  # characters


def table_lines(measurements: Iterable[Measurement]) -> Iterator[str]:
    """The table, family by family, in the order of the measurements."""
    for family, members in groupby(measurements, key=lambda each: each.name.partition(".")[0]):
        yield f"{family}: {FAMILIES[family]}"
        for _, group in groupby(members, key=_line_name):
            yield _line(list(group))
        yield ""


def summary(measurements: Iterable[Measurement]) -> str:
    """How many targets are met, and which are not."""
    with_target = [each for each in measurements if each.target is not None]
    missed = [each.name for each in with_target if each.ok is False]
    not_measured = [each.name for each in with_target if each.ok is None]
    if not with_target:
        return "no figure here has a target; compare them with a run on another machine"
    met = len(with_target) - len(missed) - len(not_measured)
    parts = [f"{met} of {len(with_target)} targets are met"]
    parts += [f"missed: {', '.join(missed)}"] if missed else []
    parts += [f"not measured: {', '.join(not_measured)}"] if not_measured else []
    return "; ".join(parts)


def format_value(measurement: Measurement) -> str:
    """Value and unit: three significant digits, at most three decimals."""
    value = measurement.value
    if value is None:
        return "not measured"
    if isinstance(value, float):
        magnitude = math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
        value = f"{value:.{min(max(2 - magnitude, 0), 3)}f}"
    return f"{value} {measurement.unit}".rstrip()


def _line_name(measurement: Measurement) -> str:
    """The name without its last part, for values that share a line; else the whole name."""
    quantity = measurement.name.rpartition(".")[0]
    alone = measurement.target is not None or "." not in quantity or measurement.remark
    return measurement.name if alone else quantity


def _line(group: list[Measurement]) -> str:
    first, *others = group
    name = _line_name(first)
    cells = map(_cell, group) if others or name != first.name else _target_cells(first)
    padded = " ".join(f"{cell:<{CELL}}" for cell in cells)
    return f"  {name.partition('.')[2]:<{NAME}}{padded}".rstrip()


def _cell(measurement: Measurement) -> str:
    return f"{measurement.name.rpartition('.')[2]} {format_value(measurement)}"


def _target_cells(measurement: Measurement) -> tuple[str, str, str]:
    rule = "at least" if measurement.at_least else "at most"
    target = "" if measurement.target is None else f"{rule} {measurement.target:g}"
    result = {True: "ok", False: "MISSED", None: measurement.remark}[measurement.ok]
    return format_value(measurement), target, result
