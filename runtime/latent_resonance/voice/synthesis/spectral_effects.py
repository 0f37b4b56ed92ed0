"""Brow tension roughens the spectrum, stillness clears it; then mel pixels become magnitudes.

Lives on the synthesis thread, one column at a time. In: pixels (n_mels,) in [-1, 1].
Out: magnitudes (n_bins,) for the phase reconstruction.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    amplitude_to_magnitude,
    spectrogram_to_amplitude,
)
from latent_resonance.voice.synthesis.controls import Controls

ENVELOPE_BANDS = 41  # mel bands over which a partial counts as a peak
VALLEY_DB = 30.0  # how much deeper stillness makes the valleys
STATIC_DB = 9.0  # spread of the static that full tension lays over each bin
FILL = 0.55  # how much of the envelope full tension fills with noise, in amplitude
GLITCHES_PER_S = 5.0  # at full tension
GLITCH_S = (0.03, 0.09)
GLITCH_BANDS = 60  # furthest that a glitch throws the partials, in mel bands


class SpectralEffects:
    """Adds noise and glitches with tension, sharpens peaks with stillness."""

    def __init__(self, geometry: Geometry, seed: int) -> None:
        self.geometry = geometry
        self.seed = seed
        self.reset()

    def reset(self) -> None:
        """Back to the beginning of the random sequence, no glitch under way."""
        self.rng = np.random.default_rng(self.seed)
        self.glitch_left_s = 0.0
        self.thrown = 0

    def step(self, pixels: FloatArray, controls: Controls) -> FloatArray:
        """One column of pixels (n_mels,) to magnitudes (n_bins,)."""
        pixels = self._glitch(pixels, controls.noise)
        if controls.clarity > 0.0:
            pixels = sharpen(pixels, controls.clarity, self.geometry.range_db)
        amplitude = spectrogram_to_amplitude(pixels, self.geometry)
        if controls.noise > 0.0:
            amplitude = self._roughen(amplitude, controls.noise)
        return amplitude_to_magnitude(amplitude, self.geometry)

    def _roughen(self, amplitude: FloatArray, noise: float) -> FloatArray:
        """Static over every bin, and noise in the valleys up towards the envelope."""
        draw = self.rng.standard_normal((2, len(amplitude)), dtype=np.float32)
        power = uniform_filter1d(np.square(amplitude), 2 * ENVELOPE_BANDS)
        envelope = np.sqrt(np.maximum(power, 0.0))  # a running sum can end below zero
        static = np.exp(draw[0] * np.float32(noise * STATIC_DB * np.log(10.0) / 20.0))
        return amplitude * static + envelope * np.abs(draw[1]) * np.float32(noise * FILL)

    def _glitch(self, pixels: FloatArray, noise: float) -> FloatArray:
        """Now and then throws the whole spectrum up or down for a moment."""
        hop_s = self.geometry.hop_s
        if self.glitch_left_s > 0.0:
            self.glitch_left_s -= hop_s
        elif self.rng.random() < GLITCHES_PER_S * noise * hop_s:
            self.glitch_left_s = self.rng.uniform(*GLITCH_S)
            self.thrown = int(self.rng.integers(-GLITCH_BANDS, GLITCH_BANDS + 1))
        if self.glitch_left_s <= 0.0 or self.thrown == 0:
            return pixels
        return shift_bands(pixels, self.thrown)


def shift_bands(pixels: FloatArray, bands: int) -> FloatArray:
    """Moves a spectrum up by a number of mel bands (down if negative), silence coming in."""
    shifted = np.full_like(pixels, -1.0)
    if bands > 0:
        shifted[bands:] = pixels[:-bands]
    else:
        shifted[:bands] = pixels[-bands:]
    return shifted


def sharpen(pixels: FloatArray, clarity: float, range_db: float) -> FloatArray:
    """Lowers what lies below the local envelope, up to VALLEY_DB, and leaves the peaks alone."""
    envelope = uniform_filter1d(pixels, ENVELOPE_BANDS)
    below = np.minimum(pixels - envelope, 0.0)  # 0 at a peak, negative in a valley
    depth = np.tanh(below * np.float32(range_db / 12.0))
    return np.maximum(pixels + depth * np.float32(clarity * VALLEY_DB * 2.0 / range_db), -1.0)
