"""Laws of cost: sums of known functions of one quantity, fitted to measurements. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """The expected growth of a cost.

    Attributes
    ----------
    terms : every term except the constant, as text (in x) and as a function
    """

    terms: tuple[tuple[str, Callable[[Array], Array]], ...]


@dataclass(frozen=True)
class Fit:
    """A law with fitted coefficients.

    Attributes
    ----------
    constant, factors : of the terms; none is negative, since no work has a negative cost
    max_error : largest relative distance of the law from a measurement
    """

    law: Law
    constant: float
    factors: tuple[float, ...]
    max_error: float

    def at(self, x: Array) -> Array:
        """The law's cost at x (n,)."""
        pairs = zip(self.law.terms, self.factors, strict=True)
        return self.constant + sum((factor * term(x) for (_, term), factor in pairs), 0.0 * x)

    def __str__(self) -> str:
        """Such as "0.011 + 0.0081 x"; terms of 0 are left out."""
        factors, texts = (self.constant, *self.factors), ("", *(text for text, _ in self.law.terms))
        written = zip(factors, texts, strict=True)
        parts = [f"{factor:.2g} {text}".strip() for factor, text in written if factor > 0.0]
        return " + ".join(parts) or "0"


CONSTANT = Law(())
LINEAR = Law((("x", lambda x: x),))
# At a higher sample rate there are more samples, and filters of a fixed duration have more taps.
WITH_FILTERS = Law((*LINEAR.terms, ("x²", np.square)))


def fit(law: Law, x: Sequence[float], y: Sequence[float]) -> Fit:
    """Fit a law by non-negative least squares of the relative errors.

    Parameters
    ----------
    x, y : (n,) the quantity and its cost (above 0)
    """
    points, costs = np.asarray(x, np.float64), np.asarray(y, np.float64)
    columns = [np.ones_like(points), *(term(points) for _, term in law.terms)]
    factors, _ = scipy.optimize.nnls(np.stack(columns, 1) / costs[:, None], np.ones_like(costs))
    found = Fit(law, float(factors[0]), tuple(map(float, factors[1:])), 0.0)
    max_error = float(np.max(np.abs(found.at(points) / costs - 1.0)))
    return Fit(law, found.constant, found.factors, max_error)
