"""Sound that closes on itself: from a stretch of a recording to the loop that is learnt. Pure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import (
    Geometry,
    mel_power,
    normalise_db,
    spectrogram_of_loop,
    stft_circular,
)

FloatArray = NDArray[np.float32]
PEAK_DB = (-9.0, 0.0)  # each clip's loudest mel band is brought to a level between these
FADE_SHARE = 1 / 16  # of a loop, in which the end of a recording's stretch fades into its beginning
QUIETEST_POWER = 1e-30


def fade_length(geometry: Geometry) -> int:
    """Samples of a recording beyond the loop that fade into its beginning."""
    return int(geometry.loop_length * FADE_SHARE)


def close_loop(audio: FloatArray, loop_length: int) -> FloatArray:
    """Fades what follows the loop's end into its beginning, at equal power.

    audio : (loop_length + fade,) samples -> (loop_length,)
    """
    loop = audio[:loop_length].copy()
    after = audio[loop_length:]
    angle = np.linspace(0, np.pi / 2, len(after), endpoint=False)
    loop[: len(after)] = loop[: len(after)] * np.sin(angle) + after * np.cos(angle)
    return loop


def sustain(audio: FloatArray, loop_length: int, fade: int) -> FloatArray:
    """Fills a loop with copies of a sound that is too short for it.

    As few copies as leave at least `fade` samples for each to fade into the next at equal
    power, and the last into the first. All of the sound is heard, but for what would fade
    over more than the distance of two copies.

    audio : (n,) samples, n > fade -> (loop_length,)
    """
    turns = math.ceil(loop_length / (len(audio) - fade))
    distance = loop_length / turns
    audio = audio[: min(len(audio), int(2 * distance))]
    overlap = len(audio) - int(distance)
    rise = np.sin(np.linspace(0, np.pi / 2, overlap, endpoint=False))
    shaped = audio.astype(np.float64)
    shaped[:overlap] *= rise
    shaped[len(audio) - overlap :] *= np.sqrt(1.0 - rise**2)
    places = [(int(i * distance) + np.arange(len(audio))) % loop_length for i in range(turns)]
    copies = np.tile(shaped, turns)
    return np.bincount(np.concatenate(places), copies, loop_length).astype(np.float32)


def normalise_peak(loop: FloatArray, geometry: Geometry, peak_db: float) -> FloatArray:
    """Scales a loop so that its loudest mel band reaches peak_db (0 dB: full-scale sinusoid)."""
    pixels = spectrogram_of_loop(loop / max(np.abs(loop).max(), 1e-9), geometry)
    now_db = (float(pixels.max()) - 1.0) * 0.5 * geometry.range_db
    return loop / max(np.abs(loop).max(), 1e-9) * 10 ** ((peak_db - now_db) / 20)


def level_below_peak(loop: FloatArray, geometry: Geometry) -> FloatArray:
    """Mel level in dB below the loudest band of the loop: (n_mels, n_frames), at most 0."""
    power = mel_power(stft_circular(loop, geometry), geometry)
    peak = max(float(power.max()), QUIETEST_POWER)
    return (10.0 * np.log10(np.maximum(power / peak, QUIETEST_POWER))).astype(np.float32)


def picture_at(level_db: FloatArray, peak_db: float, geometry: Geometry) -> FloatArray:
    """The picture in [-1, 1] that `normalise_peak` would give, without a second spectrogram."""
    return normalise_db(level_db + peak_db, geometry.range_db)
