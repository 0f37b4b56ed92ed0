"""Makes seamless loops of parts of a recording, and their spectrograms. Pure."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import (
    Geometry,
    loop_to_spectrogram,
    mel_power,
    normalise_db,
    stft_circular,
)

FloatArray = NDArray[np.float32]
PEAK_DB = (-9.0, 0.0)  # the range of the level of each clip's loudest mel band
FADE_SHARE = 1 / 16  # of a loop, the length of the cross-fade from its end to its beginning
MIN_POWER = 1e-30


def fade_length(geometry: Geometry) -> int:
    """Samples after the loop that are cross-faded into its beginning."""
    return int(geometry.loop_length * FADE_SHARE)


def close_loop(audio: FloatArray, loop_length: int) -> FloatArray:
    """Cross-fades what follows the loop into its beginning, at equal power.

    audio : (loop_length + fade,) samples -> (loop_length,)
    """
    loop = audio[:loop_length].copy()
    after = audio[loop_length:]
    angle = np.linspace(0, np.pi / 2, len(after), endpoint=False)
    loop[: len(after)] = loop[: len(after)] * np.sin(angle) + after * np.cos(angle)
    return loop


def sustain(audio: FloatArray, loop_length: int, fade: int) -> FloatArray:
    """Fills a loop with copies of a sound that is too short for it.

    Uses the fewest copies that overlap by at least `fade` samples; each fades into the next at
    equal power, and the last into the first. A copy is cut after twice the distance between
    two copies.

    audio : (n,) samples, n > fade -> (loop_length,)
    """
    n_copies = math.ceil(loop_length / (len(audio) - fade))
    distance = loop_length / n_copies
    audio = audio[: min(len(audio), int(2 * distance))]
    overlap = len(audio) - int(distance)
    rise = np.sin(np.linspace(0, np.pi / 2, overlap, endpoint=False))
    shaped = audio.astype(np.float64)
    shaped[:overlap] *= rise
    shaped[len(audio) - overlap :] *= np.sqrt(1.0 - rise**2)
    indices = [(int(i * distance) + np.arange(len(audio))) % loop_length for i in range(n_copies)]
    copies = np.tile(shaped, n_copies)
    return np.bincount(np.concatenate(indices), copies, loop_length).astype(np.float32)


def normalise_peak(loop: FloatArray, geometry: Geometry, peak_db: float) -> FloatArray:
    """Scales a loop (n,) so that its loudest mel band reaches peak_db (0 dB: full-scale sine)."""
    pixels = loop_to_spectrogram(loop / max(np.abs(loop).max(), 1e-9), geometry)
    now_db = (float(pixels.max()) - 1.0) * 0.5 * geometry.range_db
    scaled: FloatArray = loop / max(np.abs(loop).max(), 1e-9) * 10 ** ((peak_db - now_db) / 20)
    return scaled


def level_below_peak(loop: FloatArray, geometry: Geometry) -> FloatArray:
    """Mel level in dB below the loudest band of the loop: (n_mels, n_frames), at most 0."""
    power = mel_power(stft_circular(loop, geometry), geometry)
    peak = max(float(power.max()), MIN_POWER)
    level_db = 10.0 * np.log10(np.maximum(power / peak, MIN_POWER))
    return np.asarray(level_db, np.float32)


def spectrogram_at_peak(level_db: FloatArray, peak_db: float, geometry: Geometry) -> FloatArray:
    """The spectrogram in [-1, 1] of the loop after `normalise_peak`, without a second STFT.

    level_db : (n_mels, n_frames), as `level_below_peak` returns it
    """
    return normalise_db(level_db + peak_db, geometry.range_db)
