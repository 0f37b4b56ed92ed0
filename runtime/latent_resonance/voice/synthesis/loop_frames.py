"""A generated spectrogram as the loop plays it: amplitudes, evened out in level.

Pure. A generator gives some of its spectrograms 15 dB more level than others, by chance. A leveller
behind the sound would follow too late, or pump; here the level of the whole loop is known before
it is played, and one gain makes it that of the pack.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from latent_resonance.audio.loudness import KWeighting, k_response
from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    mel_frequencies,
    pixels_to_amplitude,
)

QUIET = np.float32(10.0 ** (-30.0 / 10.0))  # power relative to the loudest frame; less is a rest
MAX_EVENING_DB = 12.0
SINUSOID_POWER = 0.5 / 1.5  # of amplitude 1: half its square, spread over 1.5 bins by the window


class LoopFrames(NamedTuple):
    """One loop; nothing changes it."""

    amplitude: FloatArray  # (n_frames, n_mels), frames first: a frame is contiguous
    power: FloatArray  # (n_frames,), K-weighted


def silent_frames(geometry: Geometry) -> LoopFrames:
    """A loop without sound."""
    shape = (geometry.n_frames, geometry.n_mels)
    return LoopFrames(np.zeros(shape, np.float32), np.zeros(geometry.n_frames, np.float32))


def frames_of(
    spectrogram: FloatArray, geometry: Geometry, level_db: float | None = None
) -> LoopFrames:
    """The loop of a spectrogram (n_mels, n_frames) in [-1, 1].

    Parameters
    ----------
    level_db : loudness that its frames are given on average, rests left out; None leaves it
    """
    amplitude = pixels_to_amplitude(np.ascontiguousarray(spectrogram.T), geometry.range_db)
    power = np.square(amplitude) @ _band_power(geometry)
    if level_db is not None:
        gain = _evening_gain(power, level_db)
        amplitude *= gain
        power *= gain**2
    return LoopFrames(amplitude, power)


def _evening_gain(power: FloatArray, level_db: float) -> np.float32:
    """Gain to `level_db`, within MAX_EVENING_DB; 1 for silence."""
    loudest = power.max()
    if loudest <= 0.0:
        return np.float32(1.0)
    found_db = 10.0 * np.log10(power[power >= QUIET * loudest].mean())
    gain_db = np.clip(level_db - found_db, -MAX_EVENING_DB, MAX_EVENING_DB)
    return np.float32(10.0 ** (gain_db / 20.0))


@lru_cache(maxsize=8)
def _band_power(geometry: Geometry) -> FloatArray:
    """K-weighted power of the sound in each mel band at amplitude 1: (n_mels,)."""
    edges = mel_frequencies(geometry)
    bins = (edges[2:] - edges[:-2]) / 2.0 * geometry.n_fft / geometry.sample_rate
    return (bins * _k_power(edges[1:-1], geometry) * SINUSOID_POWER).astype(np.float32)


def _k_power(frequency_hz: NDArray[np.float64], geometry: Geometry) -> NDArray[np.float64]:
    """Power gain of K-weighting at some frequencies."""
    gain = np.abs(scipy.fft.rfft(k_response(geometry.sample_rate, KWeighting.TAPS)))
    weight: NDArray[np.float64] = np.interp(
        frequency_hz, np.linspace(0.0, geometry.sample_rate / 2.0, len(gain)), np.square(gain)
    )
    return weight
