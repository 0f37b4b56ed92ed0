"""Laws of cost: sums of known functions of one quantity, fitted to what was measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """How a cost is expected to grow.

    Attributes
    ----------
    terms : of each term beside the constant, as it is written (with x) and as it is computed
    """

    terms: tuple[tuple[str, Callable[[Array], Array]], ...]


@dataclass(frozen=True)
class Fit:
    """A law with its numbers.

    Attributes
    ----------
    constant, factors : of the terms; none is negative, since no work takes time back
    worst : the largest distance of a measurement from the law, as a share of it
    """

    law: Law
    constant: float
    factors: tuple[float, ...]
    worst: float

    def at(self, x: Array) -> Array:
        """What the law says of x (n,)."""
        pairs = zip(self.law.terms, self.factors, strict=True)
        return self.constant + sum((factor * term(x) for (_, term), factor in pairs), 0.0 * x)

    def __str__(self) -> str:
        """Such as "0.011 + 0.0081 x"; what is nothing is left out."""
        factors, texts = (self.constant, *self.factors), ("", *(text for text, _ in self.law.terms))
        written = zip(factors, texts, strict=True)
        parts = [f"{factor:.2g} {text}".strip() for factor, text in written if factor > 0.0]
        return " + ".join(parts) or "0"


CONSTANT = Law(())
LINEAR = Law((("x", lambda x: x),))
# More samples a second, and filters whose length in seconds is given have more taps for each.
WITH_FILTERS = Law((*LINEAR.terms, ("x²", np.square)))


def fit(law: Law, x: Sequence[float], y: Sequence[float]) -> Fit:
    """The law's numbers, with the least squares of relative errors.

    Parameters
    ----------
    x, y : (n,) what was varied, and what it cost (above 0)
    """
    points, costs = np.asarray(x, np.float64), np.asarray(y, np.float64)
    columns = [np.ones_like(points), *(term(points) for _, term in law.terms)]
    factors, _ = scipy.optimize.nnls(np.stack(columns, 1) / costs[:, None], np.ones_like(costs))
    found = Fit(law, float(factors[0]), tuple(map(float, factors[1:])), 0.0)
    worst = float(np.max(np.abs(found.at(points) / costs - 1.0)))
    return Fit(law, found.constant, found.factors, worst)
