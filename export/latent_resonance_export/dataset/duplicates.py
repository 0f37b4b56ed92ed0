"""Finds near-duplicate loops, which add no information and make a network memorise. Pure.

Compares fingerprints of 1 KB per clip, never pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 256  # clips that are compared at a time with all kept ones
MIN_DIFFERENCE_DB = 0.5  # an mp3 copy at 128 kbit/s is 0.2 from its original; cello phrases: 1.9


def find_duplicates(
    fingerprints: NDArray[np.float16], min_difference_db: float
) -> dict[int, tuple[int, float]]:
    """The loops too similar to an earlier kept one: {loop: (kept loop, difference in dB)}.

    fingerprints : (n_clips, n), see clip_measures.fingerprint
    """
    points = fingerprints.astype(np.float32)
    found: dict[int, tuple[int, float]] = {}
    kept = np.zeros(0, np.intp)
    for first in range(0, len(points), BLOCK):
        block = np.arange(first, min(first + BLOCK, len(points)))
        near = _nearest(points[block], points[kept])
        inside = _distances(points[block], points[block])
        new: list[int] = []
        for i, index in enumerate(block):
            which, apart = (int(kept[near[0][i]]), near[1][i]) if len(kept) else (-1, np.inf)
            if new and inside[i, new].min() < apart:
                j = new[int(inside[i, new].argmin())]
                which, apart = int(block[j]), inside[i, j]
            if apart < min_difference_db:
                found[int(index)] = (which, float(apart))
            else:
                new.append(i)
        kept = np.concatenate([kept, block[new]])
    return found


def _nearest(
    a: NDArray[np.float32], b: NDArray[np.float32]
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The nearest row of b for each row of a: (index, distance)."""
    if not len(b):
        return np.zeros(len(a), np.intp), np.full(len(a), np.inf, np.float32)
    distances = _distances(a, b)
    index = distances.argmin(axis=1)
    return index, distances[np.arange(len(a)), index]


def _distances(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    square = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * (a @ b.T)
    return np.asarray(np.sqrt(np.maximum(square, 0.0)))
