"""The band-pass that the mouth opens.

Runs on the synthesis thread, on blocks of any length. It comes after the phase reconstruction, so
that an opening mouth is audible at once and never waits for a frame.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from latent_resonance.audio.channels import with_history
from latent_resonance.audio.spectrogram import FloatArray

LOW_EDGE_HZ = 40.0  # a small speaker cannot reproduce less, only distort
ComplexArray = NDArray[np.complex128]
BUTTERWORTH_Q = (0.541196, 1.306563)  # the two sections of a fourth-order low-pass


def low_pass_section(cutoff_hz: float, q: float, sample_rate: int) -> list[float]:
    """Second-order low-pass, as b0 b1 b2 a0 a1 a2 (Bristow-Johnson's cookbook)."""
    w = 2.0 * np.pi * cutoff_hz / sample_rate
    cos_w, alpha = np.cos(w), np.sin(w) / (2.0 * q)
    a0 = 1.0 + alpha
    b1 = (1.0 - cos_w) / a0
    return [b1 / 2, b1, b1 / 2, 1.0, -2.0 * cos_w / a0, (1.0 - alpha) / a0]


def high_pass_section(cutoff_hz: float, q: float, sample_rate: int) -> list[float]:
    """Second-order high-pass, as b0 b1 b2 a0 a1 a2 (Bristow-Johnson's cookbook)."""
    w = 2.0 * np.pi * cutoff_hz / sample_rate
    cos_w, alpha = np.cos(w), np.sin(w) / (2.0 * q)
    a0 = 1.0 + alpha
    b0 = (1.0 + cos_w) / (2.0 * a0)
    return [b0, -2.0 * b0, b0, 1.0, -2.0 * cos_w / a0, (1.0 - alpha) / a0]


def frequency_response(section: list[float], delay: ComplexArray) -> ComplexArray:
    """H(z) of a section where `delay` is 1/z on the unit circle: same shape."""
    b0, b1, b2, a0, a1, a2 = section
    return (b0 + delay * (b1 + delay * b2)) / (a0 + delay * (a1 + delay * a2))


class BandPass:
    """Fixed lower edge (12 dB per octave), upper edge that glides (24 dB per octave).

    A recursive filter clicks when its coefficients jump, since its state belongs to the old ones.
    This one convolves with the filter's impulse response, truncated to TAPS samples: its only
    state is the input, and a block fades from the old response to the new one.
    """

    TAPS = 2048

    def __init__(self, sample_rate: int, cutoff_hz: float = 400.0) -> None:
        self.sample_rate = sample_rate
        self.max_hz = 0.45 * sample_rate
        self.initial_hz = cutoff_hz
        self.delay = np.exp(-1j * np.linspace(0.0, np.pi, self.TAPS + 1))
        rumble = high_pass_section(LOW_EDGE_HZ, np.sqrt(0.5), sample_rate)
        self.low_edge = frequency_response(rumble, self.delay)
        self.reset()

    def reset(self) -> None:
        """Reset to silence and the initial cutoff."""
        self.cutoff_hz = self.initial_hz
        self.response = self._response(self.initial_hz)
        self.history = np.zeros(self.TAPS - 1, np.float32)

    def process(self, block: FloatArray, cutoff_hz: float) -> FloatArray:
        """Filter a block (..., n); the upper edge reaches cutoff_hz at its end."""
        n = block.shape[-1]
        samples = with_history(self.history, block)
        self.history = samples[..., n:]
        out = self._convolve(samples, self.response)
        cutoff_hz = min(cutoff_hz, self.max_hz)
        if abs(cutoff_hz - self.cutoff_hz) > 1e-3 * self.cutoff_hz:
            self.cutoff_hz, self.response = cutoff_hz, self._response(cutoff_hz)
            fade = np.linspace(0.0, 1.0, n, dtype=np.float32)
            out += (self._convolve(samples, self.response) - out) * fade
        return out

    def _response(self, cutoff_hz: float) -> FloatArray:
        """Impulse response: (TAPS,)."""
        response = self.low_edge
        for q in BUTTERWORTH_Q:
            section = low_pass_section(cutoff_hz, q, self.sample_rate)
            response = response * frequency_response(section, self.delay)
        truncated: FloatArray = scipy.fft.irfft(response)[: self.TAPS].astype(np.float32)
        return truncated

    def _convolve(self, samples: FloatArray, response: FloatArray) -> FloatArray:
        """The valid part of the convolution: as many samples as the newest block."""
        length = samples.shape[-1]
        n = scipy.fft.next_fast_len(length, real=True)
        product = scipy.fft.rfft(samples, n) * scipy.fft.rfft(response, n)
        filtered: FloatArray = scipy.fft.irfft(product, n)[..., self.TAPS - 1 : length]
        return filtered
