"""Mean and minimum over a window that moves along an array: SciPy's ndimage kernel.

Pure. The time does not depend on the window's width.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.scipy_kernel import KERNEL_ERRORS, load_kernel

Edge = Literal["nearest", "wrap", "reflect"]  # what lies outside the array
EDGES: dict[Edge, int] = {"nearest": 0, "wrap": 1, "reflect": 2}  # the kernel's codes
MINIMUM = 1


class MovingMean(Protocol):
    """Mean over a window."""

    def __call__(self, x: NDArray[Any], size: int, mode: Edge = "reflect") -> NDArray[Any]:
        """Mean of `size` values around each of x (n,)."""


class MovingMinimum(Protocol):
    """Minimum over a window."""

    def __call__(self, x: NDArray[Any], size: int, origin: int = 0) -> NDArray[Any]:
        """Minimum of `size` values around each of x (n,), moved left by `origin`."""


def _of_kernel() -> tuple[MovingMean, MovingMinimum]:
    """The kernel's functions, after one call of each.

    Raises
    ------
    KERNEL_ERRORS
        This SciPy's kernel is elsewhere, or is called in another way.
    """
    kernel = load_kernel("ndimage", "_nd_image")

    def mean(x: NDArray[Any], size: int, mode: Edge = "reflect") -> NDArray[Any]:
        result = np.empty_like(x)
        kernel.uniform_filter1d(x, size, x.ndim - 1, result, EDGES[mode], 0.0, 0)
        return result

    def minimum(x: NDArray[Any], size: int, origin: int = 0) -> NDArray[Any]:
        result = np.empty_like(x)
        edge = EDGES["nearest"]
        kernel.min_or_max_filter1d(x, size, x.ndim - 1, result, edge, 0.0, origin, MINIMUM)
        return result

    mean(np.zeros(3), 3)
    minimum(np.zeros(3), 3)
    return mean, minimum


def _of_scipy() -> tuple[MovingMean, MovingMinimum]:
    from scipy.ndimage import minimum_filter1d, uniform_filter1d

    def minimum(x: NDArray[Any], size: int, origin: int = 0) -> NDArray[Any]:
        result: NDArray[Any] = minimum_filter1d(x, size, mode="nearest", origin=origin)
        return result

    def mean(x: NDArray[Any], size: int, mode: Edge = "reflect") -> NDArray[Any]:
        result: NDArray[Any] = uniform_filter1d(x, size, mode=mode)
        return result

    return mean, minimum


def _functions() -> tuple[MovingMean, MovingMinimum]:
    try:
        return _of_kernel()
    except KERNEL_ERRORS:
        return _of_scipy()


moving_mean, moving_minimum = _functions()
