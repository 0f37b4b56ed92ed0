"""What a figure is: a name, a value with its unit, and what is owed. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Figure:
    """One thing that was measured.

    Attributes
    ----------
    name : family and what it is of, dotted; figures of one thing differ in the last part
    value : None where it could not be measured
    owed : the most that it may be, or the least if `at_least`; None where nothing is owed
    remark : why there is no value
    """

    name: str
    value: float | str | None
    unit: str
    owed: float | None = None
    at_least: bool = False
    remark: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether what is owed is met; None where nothing is owed or nothing was measured."""
        if self.owed is None or not isinstance(self.value, float | int):
            return None
        return bool(self.value >= self.owed if self.at_least else self.value <= self.owed)

    def as_dict(self) -> dict[str, float | str | bool | None]:
        """For machines: six digits are more than any of these figures has; JSON knows no NaN."""
        value = self.value
        if isinstance(value, float):
            value = float(f"{value:.6g}") if math.isfinite(value) else None
        return {
            "name": self.name,
            "value": value,
            "unit": self.unit,
            "owed": self.owed,
            "ok": self.ok,
        }


def percentiles(name: str, values: NDArray[np.float64], unit: str) -> Iterator[Figure]:
    """p50, p95 and p99 of values (n,)."""
    for percent in PERCENTILES:
        yield Figure(f"{name}.p{percent}", float(np.percentile(values, percent)), unit)
