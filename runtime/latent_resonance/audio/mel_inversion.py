"""Mel spectrograms back to the amplitudes of FFT bins, and to the magnitudes of phase recovery.

Pure; runtime, export and audition use the same functions.

A mel band is an average over bins, so that interpolation between bands makes every partial too
wide. From there, multiplicative updates solve M P = mel power for the power P >= 0 of the bins:

    P <- P * (Mᵀ (mel / M P) / Mᵀ 1) ** EXPONENT

References
----------
Lee & Seung (2001), "Algorithms for non-negative matrix factorization", equation 5 (the
Kullback-Leibler divergence). Badeau, Bertin & Vincent (2010), "Stability analysis of
multiplicative update algorithms", show that exponents between 0 and 2 converge; three updates
with 1.5 come as far as six with 1 (docs/benchmarks.md).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from latent_resonance.audio.sparse_matrix import SparseMatrix
from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    magnitude_scale,
    mel_filterbank,
    mel_frequencies,
    pixels_to_amplitude,
)

UPDATES = 3  # with an EXPONENT of 1.5, as r * sqrt(r)
MIN_POWER = np.float32(1e-10)  # -100 dB: keeps 0 / 0 out, and lets a bin rise from silence


class _Inversion(NamedTuple):
    """What the updates need of a geometry; bins are those that any mel filter covers."""

    bins: slice
    interpolation: SparseMatrix  # (bins, n_mels)
    filters: SparseMatrix  # (n_mels, bins)
    transposed: SparseMatrix  # (bins, n_mels), each row divided by its sum


def mel_to_amplitude(mel: FloatArray, geometry: Geometry) -> FloatArray:
    """Mel amplitudes to FFT bin amplitudes: (n_mels, ...) -> (n_bins, ...)."""
    inversion = _inversion(geometry)
    mel_power = np.square(mel)
    power = np.square(inversion.interpolation @ mel) + MIN_POWER
    for _ in range(UPDATES):
        ratio = inversion.transposed @ (mel_power / (inversion.filters @ power + MIN_POWER))
        power *= ratio
        power *= np.sqrt(ratio)
    amplitude = np.zeros((geometry.n_bins, *mel.shape[1:]), np.float32)
    np.sqrt(power, out=amplitude[inversion.bins])
    return amplitude


def amplitude_to_magnitude(amplitude: FloatArray, geometry: Geometry) -> FloatArray:
    """FFT bin amplitudes to the magnitudes that `griffin_lim` takes."""
    return amplitude * np.float32(1.0 / magnitude_scale(geometry))


def spectrogram_to_amplitude(spectrogram: FloatArray, geometry: Geometry) -> FloatArray:
    """Mel spectrogram in [-1, 1] to FFT bin amplitudes: (n_mels, ...) -> (n_bins, ...)."""
    return mel_to_amplitude(pixels_to_amplitude(spectrogram, geometry.range_db), geometry)


def spectrogram_to_magnitude(spectrogram: FloatArray, geometry: Geometry) -> FloatArray:
    """Mel spectrogram in [-1, 1] to FFT magnitudes: (n_mels, ...) -> (n_bins, ...)."""
    return amplitude_to_magnitude(spectrogram_to_amplitude(spectrogram, geometry), geometry)


@lru_cache(maxsize=8)
def _inversion(geometry: Geometry) -> _Inversion:
    filters = mel_filterbank(geometry)
    bands, columns, weights = filters.rows, filters.columns, filters.values
    total = np.bincount(columns, weights).astype(np.float32)
    covered = np.flatnonzero(total)
    bins = slice(int(covered[0]), int(covered[-1]) + 1)
    inside, shape = columns - bins.start, (geometry.n_mels, bins.stop - bins.start)
    shares = weights / np.maximum(total[columns], np.float32(1e-9))
    return _Inversion(
        bins,
        mel_interpolation(geometry).row_slice(bins),
        SparseMatrix.from_entries(bands, inside, weights, shape),
        SparseMatrix.from_entries(inside, bands, shares, shape[::-1]),
    )


@lru_cache(maxsize=8)
def mel_interpolation(geometry: Geometry) -> SparseMatrix:
    """Matrix from mel amplitudes to FFT bin amplitudes: (n_bins, n_mels), sparse.

    Linear interpolation between band centres; bins outside the outer centres are zero.
    """
    centres = mel_frequencies(geometry)[1:-1]
    bins = np.arange(geometry.n_bins) * geometry.sample_rate / geometry.n_fft
    inside = np.flatnonzero((bins >= centres[0]) & (bins <= centres[-1]))
    upper = np.clip(np.searchsorted(centres, bins[inside]), 1, len(centres) - 1)
    share = (bins[inside] - centres[upper - 1]) / (centres[upper] - centres[upper - 1])
    rows = np.concatenate([inside, inside])
    columns = np.concatenate([upper - 1, upper])
    weights = np.concatenate([1.0 - share, share]).astype(np.float32)
    shape = (geometry.n_bins, geometry.n_mels)
    return SparseMatrix.from_entries(rows, columns, weights, shape)
