"""One measured value: its name, unit and target. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Measurement:
    """One measured value.

    Attributes
    ----------
    name : dotted, family first; values of one quantity differ in the last part
    value : None if it could not be measured
    target : upper limit, or lower limit if `at_least`; None without a target
    remark : why there is no value
    """

    name: str
    value: float | str | None
    unit: str
    target: float | None = None
    at_least: bool = False
    remark: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the target is met; None without a target or a value."""
        if self.target is None or not isinstance(self.value, float | int):
            return None
        return bool(self.value >= self.target if self.at_least else self.value <= self.target)

    def as_dict(self) -> dict[str, float | str | bool | None]:
        """The JSON object: six significant digits, and null for NaN, which JSON cannot express."""
        value = self.value
        if isinstance(value, float):
            value = float(f"{value:.6g}") if math.isfinite(value) else None
        return {
            "name": self.name,
            "value": value,
            "unit": self.unit,
            "target": self.target,
            "ok": self.ok,
        }


def percentiles(name: str, values: NDArray[np.float64], unit: str) -> Iterator[Measurement]:
    """p50, p95 and p99 of values (n,)."""
    for percent in PERCENTILES:
        yield Measurement(f"{name}.p{percent}", float(np.percentile(values, percent)), unit)
