"""What the face does to the spectrum; then mel bands to FFT bins.

Brow tension adds glitches and noise; stillness sharpens the partials; a turning head sends ripples
through the spectrum, so that a held note, which has no tempo to stretch, answers it too. Glitches,
noise and ripples keep the loudness. Runs on the synthesis thread, frame by frame. In: mel
amplitudes (n_mels,). Out: magnitudes (n_bins,) for the phase reconstruction.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.loudness import k_power
from latent_resonance.audio.mel_inversion import amplitude_to_magnitude, mel_to_amplitude
from latent_resonance.audio.moving_window import moving_mean
from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    amplitude_to_pixels,
    mel_frequencies,
)
from latent_resonance.voice.synthesis.controls import Controls

NEPERS_PER_DB = np.log(10.0) / 20.0
ENVELOPE_BANDS = 41  # mel bands over which a partial counts as a peak
VALLEY_DB = 30.0  # by which full stillness deepens the valleys
STATIC_DB = 9.0  # standard deviation of the gain of each bin at full tension
FILL = 0.55  # noise floor at full tension, relative to the envelope, in amplitude
LOWEST_HISS_HZ = 100.0
HISS = 0.15  # pink part of that floor, relative to the frame as a whole, in amplitude
GLITCHES_PER_S = 5.0  # at full tension
GLITCH_S = (0.03, 0.09)
GLITCH_BANDS = 60  # largest shift of a glitch, in mel bands
RIPPLE_DB = 9.0  # amplitude of the ripples while the head turns fast
RIPPLES_PER_OCTAVE = 0.75
RIPPLE_HZ = 4.0  # speed of the ripples while the head turns fast
SILENCE = 1e-20  # K-weighted power of a frame below which no gain is applied


class SpectralEffects:
    """Glitches and noise with tension, sharp peaks with stillness, ripples with turning."""

    def __init__(self, geometry: Geometry, seed: int) -> None:
        self.geometry = geometry
        self.seed = seed
        bins_hz = np.arange(geometry.n_bins) * geometry.sample_rate / geometry.n_fft
        bands_hz = mel_frequencies(geometry)
        widths_hz = bands_hz[2:] - bands_hz[:-2]
        self.bin_weight = k_power(bins_hz, geometry.sample_rate)
        self.band_weight = k_power(bands_hz[1:-1], geometry.sample_rate)
        self.band_weight *= widths_hz.astype(np.float32)
        pink = 1.0 / np.maximum(bins_hz, LOWEST_HISS_HZ) * (bins_hz <= geometry.f_max_hz)
        self.hiss = (np.square(HISS) * pink / pink.sum()).astype(np.float32)
        self.ripples = np.log2(bands_hz[1:-1]) * RIPPLES_PER_OCTAVE  # periods
        self.reset()

    def reset(self) -> None:
        """Reset to the start of the random sequence, without a glitch."""
        self.rng = np.random.default_rng(self.seed)
        self.glitch_left_s = 0.0
        self.shift = 0
        self.rippled = 0.0  # periods that the ripples have moved

    def step(self, mel: FloatArray, controls: Controls) -> FloatArray:
        """Turn one frame of mel amplitudes (n_mels,) into magnitudes (n_bins,)."""
        mel = self._glitch(mel, controls.noise)
        if controls.turning > 0.0:
            mel = self._ripple(mel, controls.turning)
        if controls.clarity > 0.0:
            mel = sharpen(mel, controls.clarity, self.geometry.range_db)
        amplitude = mel_to_amplitude(mel, self.geometry)
        if controls.noise > 0.0:
            noisy = self._add_noise(amplitude, controls.noise)
            amplitude = as_loud(noisy, amplitude, self.bin_weight)
        return amplitude_to_magnitude(amplitude, self.geometry)

    def _ripple(self, mel: FloatArray, turning: float) -> FloatArray:
        """Waves of gain that move up the spectrum, at the same loudness."""
        self.rippled = (self.rippled + turning * RIPPLE_HZ * self.geometry.hop_s) % 1.0
        wave = np.sin(2.0 * np.pi * (self.ripples - self.rippled))
        rippled: FloatArray = mel * np.exp(turning * RIPPLE_DB * NEPERS_PER_DB * wave)
        return as_loud(rippled.astype(np.float32), mel, self.band_weight)

    def _add_noise(self, amplitude: FloatArray, noise: float) -> FloatArray:
        """Random gain on every bin, and a noise floor that follows the envelope."""
        draw = self.rng.standard_normal((2, len(amplitude)), dtype=np.float32)
        power = np.square(amplitude)
        smooth = moving_mean(power, 2 * ENVELOPE_BANDS)
        envelope = np.sqrt(np.maximum(smooth, 0.0) + self.hiss * power.sum())  # rounding: < 0
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
        return as_loud(shift_bands(mel, self.shift), mel, self.band_weight)


def as_loud(amplitude: FloatArray, before: FloatArray, weight: FloatArray) -> FloatArray:
    """An amplitude with the K-weighted power that another has: all (n,)."""
    power = float(weight @ np.square(amplitude))
    if power < SILENCE:
        return amplitude
    return amplitude * np.float32(np.sqrt(float(weight @ np.square(before)) / power))


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
    envelope = moving_mean(pixels, ENVELOPE_BANDS)
    below = np.minimum(pixels - envelope, 0.0)  # 0 at a peak, negative in a valley
    depth = np.tanh(below * np.float32(range_db / 12.0))
    sharpened: FloatArray = mel * np.exp(depth * np.float32(clarity * VALLEY_DB * NEPERS_PER_DB))
    return sharpened
