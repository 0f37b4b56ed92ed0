"""How different spectrograms of one set are from each other. Pure.

Multi-scale structural similarity, Wang, Simoncelli & Bovik 2003, "Multiscale structural
similarity for image quality assessment", with its weights, window and constants. Loops are
compared without rolling; every neighbourhood wraps around in time.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

FloatArray = NDArray[np.float32]
WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])  # of the scales, finest first
DYNAMIC_RANGE = 2.0  # pixels lie in -1..1
C1, C2 = (0.01 * DYNAMIC_RANGE) ** 2, (0.03 * DYNAMIC_RANGE) ** 2
_GAUSSIAN = np.exp(-0.5 * np.square(np.arange(-5, 6) / 1.5))  # 11 pixels, deviation 1.5
WINDOW = (_GAUSSIAN / _GAUSSIAN.sum()).astype(np.float32)


def diversity(spectrograms: FloatArray, n_pairs: int, seed: int) -> float:
    """Mean MS-SSIM *distance*, 1 - similarity, of random pairs: 0 all alike, 1 nothing in common.

    spectrograms : (n, n_mels, n_frames) in [-1, 1], n > 1
    """
    pairs = draw_pairs(len(spectrograms), n_pairs, seed)
    return float(np.mean([1.0 - ms_ssim(spectrograms[i], spectrograms[j]) for i, j in pairs]))


def draw_pairs(n: int, n_pairs: int, seed: int) -> NDArray[np.intp]:
    """Random distinct pairs of different clips, at most all of them: (m, 2)."""
    first, second = np.triu_indices(n, k=1)
    size = min(n_pairs, len(first))
    chosen = np.random.default_rng(seed).choice(len(first), size=size, replace=False)
    return np.stack([first[chosen], second[chosen]], axis=1)


def ms_ssim(a: FloatArray, b: FloatArray) -> float:
    """Similarity of two spectrograms (n_mels, n_frames) in [-1, 1]: 1 if they are equal.

    Equation 7 of the paper; a scale with negative correlation counts as 0, because a negative
    number has no real fractional power.
    """
    similarity = 1.0
    for scale, weight in enumerate(WEIGHTS):
        luminance, contrast = _ssim_terms(a, b)
        term = luminance * contrast if scale == len(WEIGHTS) - 1 else contrast
        similarity *= max(float(term.mean()), 0.0) ** weight
        a, b = _halve(a), _halve(b)
    return similarity


def _ssim_terms(a: FloatArray, b: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Luminance l, and contrast with structure c * s, at every pixel (equations 1 to 3)."""
    mean_a, mean_b = _smooth(a), _smooth(b)
    luminance = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    variances = _smooth(a * a + b * b) - mean_a**2 - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    return luminance, (2 * covariance + C2) / (np.maximum(variances, 0) + C2)


def _smooth(spectrogram: FloatArray) -> FloatArray:
    across = convolve1d(spectrogram, WINDOW, axis=0, mode="mirror")
    smoothed: FloatArray = convolve1d(across, WINDOW, mode="wrap")
    return smoothed


def _halve(spectrogram: FloatArray) -> FloatArray:
    """Mean of 2 x 2 pixels; an odd last row or column is dropped."""
    rows, columns = (size // 2 for size in spectrogram.shape)
    blocks = spectrogram[: 2 * rows, : 2 * columns].reshape(rows, 2, columns, 2)
    halved: FloatArray = blocks.mean(axis=(1, 3))
    return halved
