"""A generated spectrogram as the loop plays it: amplitudes, evened out in level.

Pure. A generator gives some of its spectrograms 15 dB more level than others, by chance, and some
passages of a loop 20 dB more than others. A leveller behind the sound would follow too late, or
pump; here the whole loop is known before it is played.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from latent_resonance.audio.loudness import k_power
from latent_resonance.audio.moving_window import moving_mean
from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    mel_frequencies,
    pixels_to_amplitude,
)

QUIET = np.float32(10.0 ** (-22.0 / 10.0))  # power relative to the loudest frame; less is a rest
MAX_EVENING_DB = 20.0
RATIO = 4.0  # of a loop's own swells, in dB, to what is left of them
SWELL_S = 0.12  # the shortest swell that is evened out; notes keep their attacks
SINUSOID_POWER = 0.5 / 1.5  # of amplitude 1: half its square, spread over 1.5 bins by the window


class LoopFrames(NamedTuple):
    """One loop; nothing changes it."""

    amplitude: FloatArray  # (n_frames, n_mels), frames first: a frame is contiguous
    power: FloatArray  # (n_frames,), K-weighted; 0 for what was a rest before it was evened out


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
    level_db : loudness around which its frames are evened out; None leaves them as they are
    """
    amplitude = pixels_to_amplitude(np.ascontiguousarray(spectrogram.T), geometry.range_db)
    power = np.square(amplitude) @ _band_power(geometry)
    if level_db is not None:
        rests = power < QUIET * power.max()
        gain = _evening_gain(power, level_db, geometry)
        amplitude *= gain[:, None]
        power *= np.square(gain)
        power[rests] = 0.0
    return LoopFrames(amplitude, power)


def _evening_gain(power: FloatArray, level_db: float, geometry: Geometry) -> FloatArray:
    """Gain of each frame: to `level_db` on average, rests left out, with a RATIO-th of the swell.

    The loop is known as a whole, so that the gain looks ahead as far as back: it does not pump.
    """
    loud = power >= QUIET * power.max()
    if power.max() <= 0.0:
        return np.ones_like(power)
    frames = 2 * round(SWELL_S / geometry.hop_s / 2) + 1
    swell = moving_mean(moving_mean(power, frames, mode="wrap"), frames, mode="wrap")
    found_db = 10.0 * np.log10(np.maximum(swell, 1e-12))
    mean_db = 10.0 * np.log10(power[loud].mean())
    evened_db = level_db + (found_db - mean_db) / RATIO
    gain_db = np.clip(evened_db - found_db, -MAX_EVENING_DB, MAX_EVENING_DB)
    gain: FloatArray = (10.0 ** (gain_db / 20.0)).astype(np.float32)
    return gain


@lru_cache(maxsize=8)
def _band_power(geometry: Geometry) -> FloatArray:
    """K-weighted power of the sound in each mel band at amplitude 1: (n_mels,)."""
    edges = mel_frequencies(geometry)
    bins = (edges[2:] - edges[:-2]) / 2.0 * geometry.n_fft / geometry.sample_rate
    return (bins * k_power(edges[1:-1], geometry.sample_rate) * SINUSOID_POWER).astype(np.float32)
