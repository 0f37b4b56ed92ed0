"""Real FFTs along the last axis: SciPy's kernel, pocketfft or its successor ducc.

Pure. The kernel transforms several rows at once with vector instructions: numpy's takes 1.9 times
as long for eight rows. Single precision in gives single precision out.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.scipy_kernel import KERNEL_ERRORS, load_kernel

UNSCALED, BY_LENGTH = 0, 2  # pocketfft's codes for the scale of a result
THREADS = 1


class Transform(Protocol):
    """A transform along the last axis; `n` samples in the time domain."""

    def __call__(self, x: NDArray[Any], n: int | None = None, /) -> NDArray[Any]:
        """Transform (..., n) or (..., n // 2 + 1)."""


class NextFastLength(Protocol):
    """Finds a number of real samples that is transformed quickly."""

    def __call__(self, target: int, /) -> int:
        """The smallest such number that is at least `target`."""


class _Functions(NamedTuple):
    rfft: Transform
    irfft: Transform
    next_fast_len: NextFastLength


def _of_kernel() -> _Functions:
    """The kernel's functions, after one call of each.

    Raises
    ------
    KERNEL_ERRORS
        This SciPy's kernel is elsewhere, or is called in another way.
    """
    kernel = _kernel()

    def rfft(x: NDArray[Any], n: int | None = None, /) -> NDArray[Any]:
        padded = x if n is None or n == x.shape[-1] else _resized(x, n)
        spectrum: NDArray[Any] = kernel.r2c(
            padded, (padded.ndim - 1,), True, UNSCALED, None, THREADS
        )
        return spectrum

    def irfft(x: NDArray[Any], n: int | None = None, /) -> NDArray[Any]:
        n = 2 * (x.shape[-1] - 1) if n is None else n
        samples: NDArray[Any] = kernel.c2r(x, (x.ndim - 1,), n, False, BY_LENGTH, None, THREADS)
        return samples

    found = _Functions(rfft, irfft, lambda target: int(kernel.good_size(target, True)))
    length = found.next_fast_len(7)
    found.irfft(found.rfft(np.zeros((1, length), np.float32)), length)
    return found


def _kernel() -> ModuleType:
    """The FFT of ducc, which SciPy has since 1.18, or of pocketfft before: called alike."""
    try:
        return load_kernel("fft/_duccfft", "pyduccfft")
    except ImportError:
        return load_kernel("fft/_pocketfft", "pypocketfft")


def _of_scipy() -> _Functions:
    import scipy.fft

    return _Functions(
        scipy.fft.rfft, scipy.fft.irfft, lambda target: scipy.fft.next_fast_len(target, real=True)
    )


def _resized(x: NDArray[Any], n: int) -> NDArray[Any]:
    """The first n samples, or with zeros appended."""
    resized = np.zeros((*x.shape[:-1], n), x.dtype)
    kept = min(n, x.shape[-1])
    resized[..., :kept] = x[..., :kept]
    return resized


def _functions() -> _Functions:
    try:
        return _of_kernel()
    except KERNEL_ERRORS:
        return _of_scipy()


rfft, irfft, next_fast_len = _functions()
