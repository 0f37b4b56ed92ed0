"""How far generated spectrograms are from real ones, in decibels of sliced Wasserstein distance."""

from __future__ import annotations

import numpy as np

PIXEL_DB = 40.0  # 80 dB over -1..1


def sliced_wasserstein(real: np.ndarray, fake: np.ndarray, n_slices: int = 64) -> float:
    """Mean distance of sorted random projections (Bonneel et al. 2015): (n, d) and (n, d)."""
    rng = np.random.default_rng(0)
    directions = rng.standard_normal((real.shape[1], n_slices)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=0)
    a, b = np.sort(real @ directions, axis=0), np.sort(fake @ directions, axis=0)
    return float(np.abs(a - b).mean())


def distances(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """Of spectra (single frames) and of onsets (differences in time), in dB.

    real, fake : (n, n_mels, n_frames) in [-1, 1]
    """

    def frames(x: np.ndarray) -> np.ndarray:
        return np.swapaxes(x[:, :, ::4], 1, 2).reshape(-1, x.shape[1]) * PIXEL_DB

    def changes(x: np.ndarray) -> np.ndarray:
        return frames(x - np.roll(x, 3, axis=2))

    return {
        "spectrum_db": round(sliced_wasserstein(frames(real), frames(fake)), 3),
        "onset_db": round(sliced_wasserstein(changes(real), changes(fake)), 3),
    }
