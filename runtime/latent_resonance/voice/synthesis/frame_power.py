"""The power of columns of mel amplitudes, as the ear weights them, and what keeps it in a morph.

Pure. Two spectra whose partials lie apart have, blended half and half in amplitude, half the power
that each of them has. While z moves, one blend follows another, and the sound would be softer by 5
to 10 dB for as long as the face moves.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from latent_resonance.audio.loudness import k_power
from latent_resonance.audio.spectrogram import FloatArray, Geometry, mel_frequencies

SINUSOID_POWER = 0.5 / 1.5  # of amplitude 1: half its square, spread over 1.5 bins by the window
SILENCE = 1e-12  # RMS amplitude; only columns of zeros have less
MOST_GAIN = 2.0  # without a warp, none needs more than the square root of 2


def frame_power(amplitude: FloatArray, geometry: Geometry) -> FloatArray:
    """K-weighted power (...) of columns (..., n_mels)."""
    power: FloatArray = np.square(amplitude) @ _band_power(geometry)
    return power


def with_level_between(
    blend: FloatArray, a: FloatArray, b: FloatArray, share: float, geometry: Geometry
) -> FloatArray:
    """A blend of columns a and b, its RMS amplitude at `share` (0..1) of the way: (..., n_mels).

    Equal spectra need no gain, whatever their levels, and equal columns stay the same bits: the
    phase reconstruction amplifies the last one.
    """
    before, after, now = (np.sqrt(frame_power(each, geometry)) for each in (a, b, blend))
    due = before + (after - before) * np.float32(share)
    gain = due / np.maximum(now, np.float32(SILENCE))
    levelled: FloatArray = blend * np.minimum(gain, np.float32(MOST_GAIN))[..., None]
    return levelled


def power_between(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    """The power at `share` of the way from power a to power b, linear in amplitude: (...)."""
    part = np.float32(share)
    power: FloatArray = np.square(np.sqrt(a) * (1 - part) + np.sqrt(b) * part)
    return power


@lru_cache(maxsize=8)
def _band_power(geometry: Geometry) -> FloatArray:
    """K-weighted power of the sound in each mel band at amplitude 1: (n_mels,)."""
    edges = mel_frequencies(geometry)
    bins = (edges[2:] - edges[:-2]) / 2.0 * geometry.n_fft / geometry.sample_rate
    return (bins * k_power(edges[1:-1], geometry.sample_rate) * SINUSOID_POWER).astype(np.float32)
