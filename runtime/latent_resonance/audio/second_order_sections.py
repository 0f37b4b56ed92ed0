"""A recursive filter as a cascade of second-order sections: SciPy's kernel.

Runs on the synthesis thread, on blocks of any length. For filters that stay as they are: where
coefficients change, `voice/synthesis/band_pass.py` convolves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.scipy_kernel import KERNEL_ERRORS, load_kernel
from latent_resonance.audio.spectrogram import FloatArray

FloatArray64 = NDArray[np.float64]
Filter = Callable[[FloatArray64, FloatArray64, FloatArray64], None]  # sections, signals, state
FAINTEST = 1e-30  # of the state; smaller numbers would become denormal, which is slow


class SecondOrderSections:
    """A filter with its state.

    Parameters
    ----------
    sections : (n, 6) of b0 b1 b2 1 a1 a2
    """

    def __init__(self, sections: FloatArray64) -> None:
        self.sections = np.ascontiguousarray(sections, np.float64)
        self.reset()

    def reset(self) -> None:
        """Return to silence."""
        self.state = np.zeros((1, len(self.sections), 2))

    def process(self, block: FloatArray) -> FloatArray64:
        """Filter a block (..., n), without delay. New channels begin with the first one's state."""
        signals = np.array(block.reshape(-1, block.shape[-1]), np.float64)
        if len(self.state) != len(signals):
            self.state = np.repeat(self.state[:1], len(signals), axis=0)
        _filter(self.sections, signals, self.state)
        self.state[np.abs(self.state) < FAINTEST] = 0.0
        return signals.reshape(block.shape)


def _of_kernel() -> Filter:
    """The kernel, after one call.

    Raises
    ------
    KERNEL_ERRORS
        This SciPy's kernel is elsewhere, or is called in another way.
    """
    kernel: Filter = load_kernel("signal", "_sosfilt")._sosfilt  # noqa: SLF001  it has no other name
    kernel(np.array([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0]]), np.zeros((1, 4)), np.zeros((1, 1, 2)))
    return kernel


def _of_scipy() -> Filter:
    import scipy.signal

    def filtered(sections: FloatArray64, signals: FloatArray64, state: FloatArray64) -> None:
        initial = state.transpose(1, 0, 2)
        signals[:], final = scipy.signal.sosfilt(sections, signals, axis=-1, zi=initial)
        state[:] = final.transpose(1, 0, 2)

    return filtered


def _find_filter() -> Filter:
    try:
        return _of_kernel()
    except KERNEL_ERRORS:
        return _of_scipy()


_filter = _find_filter()
