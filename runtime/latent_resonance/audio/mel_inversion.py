"""Mel spectrograms back to the amplitudes of FFT bins, and to the magnitudes of phase recovery.

Pure; runtime, export and audition use the same functions.

A mel band is an average over bins, so that interpolation between bands makes every partial too
wide. From there, multiplicative updates solve M A² = mel² for the amplitudes A >= 0 of the bins,
by the Hellinger distance, the sum of (√(M A²) - mel)²:

    A <- A * (Mᵀ (mel / √(M A²)) / Mᵀ 1) ** exponent

With an exponent of 1 no update increases the distance. With 2 each goes twice as far, and a last
one with 1 settles what they have overshot. The Kullback-Leibler divergence, the usual choice,
leaves valleys between partials fuller: it counts differences by their power.

References
----------
Cichocki, Lee, Kim & Choi (2008), "Non-negative matrix factorization with alpha-divergence":
alpha = 1/2. Badeau, Bertin & Vincent (2010), "Stability analysis of multiplicative update
algorithms", on exponents between 0 and 2. docs/decisions/030 compares others.
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

EXPONENTS = (2, 2, 1)  # of the updates
MIN_AMPLITUDE = np.float32(1e-5)  # -100 dB: keeps 0 / 0 out, and lets a bin rise from silence


class _Inversion(NamedTuple):
    """What the updates need of a geometry; bins are those that any mel filter covers."""

    bins: slice
    interpolation: SparseMatrix  # (bins, n_mels)
    filters: SparseMatrix  # (n_mels, bins)
    transposed: SparseMatrix  # (bins, n_mels), each row divided by its sum


def mel_to_amplitude(mel: FloatArray, geometry: Geometry) -> FloatArray:
    """Mel amplitudes to FFT bin amplitudes: (n_mels, ...) -> (n_bins, ...)."""
    inversion = _inversion(geometry)
    found = inversion.interpolation @ mel + MIN_AMPLITUDE
    for exponent in EXPONENTS:
        bands = np.sqrt(inversion.filters @ np.square(found)) + MIN_AMPLITUDE
        found *= (inversion.transposed @ (mel / bands)) ** exponent
    amplitude = np.zeros((geometry.n_bins, *mel.shape[1:]), np.float32)
    amplitude[inversion.bins] = found
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
