"""Brow tension adds noise to the spectrum, stillness sharpens it; then mel bands to FFT bins.

Runs on the synthesis thread, frame by frame. In: mel amplitudes (n_mels,). Out: magnitudes
(n_bins,) for the phase reconstruction.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from latent_resonance.audio.mel_inversion import amplitude_to_magnitude, mel_to_amplitude
from latent_resonance.audio.spectrogram import FloatArray, Geometry, amplitude_to_pixels
from latent_resonance.voice.synthesis.controls import Controls

ENVELOPE_BANDS = 41  # mel bands over which a partial counts as a peak
NEPERS_PER_DB = np.log(10.0) / 20.0
VALLEY_DB = 30.0  # by which full stillness deepens the valleys
STATIC_DB = 9.0  # standard deviation of the gain of each bin at full tension
FILL = 0.55  # noise floor at full tension, relative to the envelope, in amplitude
GLITCHES_PER_S = 5.0  # at full tension
GLITCH_S = (0.03, 0.09)
GLITCH_BANDS = 60  # largest shift of a glitch, in mel bands


class SpectralEffects:
    """Adds noise and glitches with tension, sharpens peaks with stillness."""

    def __init__(self, geometry: Geometry, seed: int) -> None:
        self.geometry = geometry
        self.seed = seed
        self.reset()

    def reset(self) -> None:
        """Reset to the start of the random sequence, without a glitch."""
        self.rng = np.random.default_rng(self.seed)
        self.glitch_left_s = 0.0
        self.shift = 0

    def step(self, mel: FloatArray, controls: Controls) -> FloatArray:
        """Turn one frame of mel amplitudes (n_mels,) into magnitudes (n_bins,)."""
        mel = self._glitch(mel, controls.noise)
        if controls.clarity > 0.0:
            mel = sharpen(mel, controls.clarity, self.geometry.range_db)
        amplitude = mel_to_amplitude(mel, self.geometry)
        if controls.noise > 0.0:
            amplitude = self._add_noise(amplitude, controls.noise)
        return amplitude_to_magnitude(amplitude, self.geometry)

    def _add_noise(self, amplitude: FloatArray, noise: float) -> FloatArray:
        """Random gain on every bin, and a noise floor that follows the envelope."""
        draw = self.rng.standard_normal((2, len(amplitude)), dtype=np.float32)
        power = uniform_filter1d(np.square(amplitude), 2 * ENVELOPE_BANDS)
        envelope = np.sqrt(np.maximum(power, 0.0))  # a running sum can become negative
        gain = np.exp(draw[0] * np.float32(noise * STATIC_DB * NEPERS_PER_DB))
        floor = envelope * np.abs(draw[1]) * np.float32(noise * FILL)
        noisy: FloatArray = amplitude * gain + floor
        return noisy

    def _glitch(self, mel: FloatArray, noise: float) -> FloatArray:
        """At random times, shift the whole spectrum up or down for a moment."""
        hop_s = self.geometry.hop_s
        if self.glitch_left_s > 0.0:
            self.glitch_left_s -= hop_s
        elif self.rng.random() < GLITCHES_PER_S * noise * hop_s:
            self.glitch_left_s = self.rng.uniform(*GLITCH_S)
            self.shift = int(self.rng.integers(-GLITCH_BANDS, GLITCH_BANDS + 1))
        if self.glitch_left_s <= 0.0 or self.shift == 0:
            return mel
        return shift_bands(mel, self.shift)


def shift_bands(mel: FloatArray, bands: int) -> FloatArray:
    """Shift a spectrum up by a number of mel bands (down if negative), filled with silence."""
    shifted = np.zeros_like(mel)
    if bands > 0:
        shifted[bands:] = mel[:-bands]
    else:
        shifted[:bands] = mel[-bands:]
    return shifted


def sharpen(mel: FloatArray, clarity: float, range_db: float) -> FloatArray:
    """Lower what lies below the local envelope by up to VALLEY_DB, and keep the peaks."""
    pixels = amplitude_to_pixels(mel, range_db)
    envelope = uniform_filter1d(pixels, ENVELOPE_BANDS)
    below = np.minimum(pixels - envelope, 0.0)  # 0 at a peak, negative in a valley
    depth = np.tanh(below * np.float32(range_db / 12.0))
    sharpened: FloatArray = mel * np.exp(depth * np.float32(clarity * VALLEY_DB * NEPERS_PER_DB))
    return sharpened
