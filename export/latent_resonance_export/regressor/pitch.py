"""Pitch of a mel spectrogram, without phases or inversion. Pure.

SWIPE' of Camacho & Harris 2008, "A sawtooth waveform inspired pitch estimator for speech and
music" (JASA 124, 1638-1652): the square root of the amplitudes is compared with a cosine
comb over the first and the prime harmonics, whose valleys distinguish an octave from its fifth.
Mel bands replace their ERB scale, and the spectrogram's one window their several.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import Geometry, mel_frequencies, pixels_to_amplitude

FloatArray = NDArray[np.float32]
RANGE_HZ = (55.0, 1760.0)  # A1 to A6
STEPS_PER_OCTAVE = 48
HARMONICS = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23)
MIN_STRENGTH = 0.15  # below this a frame has no pitch
SOUNDING_DB = 40.0  # frames further below the loudest are rests
STRIDE = 4  # frames: pitch does not change faster


def pitch_of_loop(pixels: FloatArray, geometry: Geometry) -> float:
    """Median pitch in Hz over the sounding frames that have one; NaN if none has.

    pixels : (n_mels, n_frames) in [-1, 1]
    """
    amplitude = pixels_to_amplitude(pixels[:, ::STRIDE], geometry.range_db)
    power = np.square(amplitude).sum(axis=0)
    pitch_hz, strength = pitch_of_frames(amplitude, geometry)
    sounding = power > power.max(initial=0.0) * 10 ** (-SOUNDING_DB / 10)
    found = pitch_hz[sounding & (strength > MIN_STRENGTH)]
    return float(np.median(found)) if found.size else float("nan")


def pitch_of_frames(amplitude: FloatArray, geometry: Geometry) -> tuple[FloatArray, FloatArray]:
    """The best pitch in Hz of each frame and its strength, at most 1: both (n_frames,).

    amplitude : (n_mels, n_frames), linear
    """
    loudness = np.sqrt(amplitude)
    loudness = loudness / np.maximum(np.linalg.norm(loudness, axis=0), 1e-12)
    score = combs(geometry) @ loudness  # (n_pitches, n_frames)
    return candidates()[score.argmax(axis=0)].astype(np.float32), score.max(axis=0)


def candidates() -> NDArray[np.float64]:
    """Pitches in Hz, evenly spaced in semitones."""
    low, high = np.log2(RANGE_HZ)
    return 2 ** np.linspace(low, high, round((high - low) * STEPS_PER_OCTAVE) + 1)


@lru_cache(maxsize=4)
def combs(geometry: Geometry) -> FloatArray:
    """A comb for each candidate: (n_pitches, n_mels); its peaks have unit norm (their eq. 11).

    Bands spaced too far apart to separate neighbouring harmonics are left out.
    """
    edges = mel_frequencies(geometry)
    bands_hz, pitch_hz = edges[1:-1], candidates()[:, None]
    ratio = bands_hz / pitch_hz
    comb = np.zeros_like(ratio)
    for harmonic in HARMONICS:
        distance = np.abs(ratio - harmonic)
        wave = np.cos(2 * np.pi * ratio)
        comb += np.where(distance < 0.25, wave, np.where(distance < 0.75, 0.5 * wave, 0.0))
    comb *= (edges[2:] - edges[:-2]) / 2 < pitch_hz / 4
    comb /= np.sqrt(bands_hz)
    norm = np.linalg.norm(np.maximum(comb, 0.0), axis=1, keepdims=True)
    normalised: FloatArray = (comb / np.maximum(norm, 1e-12)).astype(np.float32)
    return normalised
