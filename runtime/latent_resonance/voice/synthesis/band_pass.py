"""The filter that the mouth opens: dark while it is closed, bright when it is open, never mute.

Runs on the synthesis thread, on blocks of any length. It comes after the phase reconstruction, so
that an opening mouth is audible at once and never waits for a frame.

    openness      0 (closed)                        1 (open)
    treble        down by `closed_db` above the     as it is: the cutoff has risen to the
                  lower end of `output`             upper end of `output`
    presence      as it is                          up by `presence_db` around 3.5 kHz
    bass          as it is                          down by `bass_db` below 700 Hz

Above the upper end of `output` there is never anything (24 dB an octave), nor below 40 Hz (12 dB).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio import fft
from latent_resonance.audio.channels import with_history
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.settings import BandPass as BandPassSettings
from latent_resonance.voice.synthesis.controls import geometric

LOW_EDGE_HZ = 40.0  # a small speaker cannot reproduce less, only distort
PRESENCE_HZ, PRESENCE_Q = 3500.0, 0.6
BASS_HZ = 700.0
SHELF_Q = 0.55  # as steep as a shelf can be without a bump
SMALLEST_STEP = 1e-3  # of openness, below which the response is kept
ComplexArray = NDArray[np.complex128]
Spectrum = NDArray[np.complex64]
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


def peak_section(centre_hz: float, gain_db: float, q: float, sample_rate: int) -> list[float]:
    """Second-order peak, as b0 b1 b2 a0 a1 a2 (Bristow-Johnson's cookbook)."""
    w = 2.0 * np.pi * centre_hz / sample_rate
    cos_w, alpha, gain = np.cos(w), np.sin(w) / (2.0 * q), 10.0 ** (gain_db / 40.0)
    return [
        1.0 + alpha * gain,
        -2.0 * cos_w,
        1.0 - alpha * gain,
        1.0 + alpha / gain,
        -2.0 * cos_w,
        1.0 - alpha / gain,
    ]


def high_shelf_section(corner_hz: float, gain_db: float, q: float, rate: int) -> list[float]:
    """Second-order shelf above the corner, as b0 b1 b2 a0 a1 a2 (Bristow-Johnson's cookbook)."""
    w = 2.0 * np.pi * corner_hz / rate
    cos_w, gain = np.cos(w), 10.0 ** (gain_db / 40.0)
    slope = np.sqrt(gain) * np.sin(w) / q
    more, less = gain + 1.0, gain - 1.0
    return [
        gain * (more + less * cos_w + slope),
        -2.0 * gain * (less + more * cos_w),
        gain * (more + less * cos_w - slope),
        more - less * cos_w + slope,
        2.0 * (less - more * cos_w),
        more - less * cos_w - slope,
    ]


def low_shelf_section(corner_hz: float, gain_db: float, q: float, rate: int) -> list[float]:
    """Second-order shelf below the corner, as b0 b1 b2 a0 a1 a2 (Bristow-Johnson's cookbook)."""
    w = 2.0 * np.pi * corner_hz / rate
    cos_w, gain = np.cos(w), 10.0 ** (gain_db / 40.0)
    slope = np.sqrt(gain) * np.sin(w) / q
    more, less = gain + 1.0, gain - 1.0
    return [
        gain * (more - less * cos_w + slope),
        2.0 * gain * (less - more * cos_w),
        gain * (more - less * cos_w - slope),
        more + less * cos_w + slope,
        -2.0 * (less + more * cos_w),
        more + less * cos_w - slope,
    ]


def frequency_response(sections: Sequence[list[float]], n_fft: int) -> ComplexArray:
    """H(z) of sections one after another, from 0 Hz to half the sample rate: (n_fft // 2 + 1,)."""
    coefficients = np.array(sections)
    numerator, denominator = (
        fft.rfft(reduce(np.convolve, each), n_fft)
        for each in (coefficients[:, :3], coefficients[:, 3:])
    )
    response: ComplexArray = numerator / denominator
    return response


class BandPass:
    """The filter at an openness that glides.

    A recursive filter clicks when its coefficients jump, since its state belongs to the old ones.
    This one convolves with the filter's impulse response, truncated to TAPS samples: its only
    state is the input, and a block fades from the old response to the new one.
    """

    TAPS = 2048

    def __init__(self, sample_rate: int, settings: BandPassSettings) -> None:
        self.sample_rate, self.settings = sample_rate, settings
        edges = [self._low_edge(), *self._high_edge()]
        self.edges = frequency_response(edges, 2 * self.TAPS)
        self.reset()

    def reset(self) -> None:
        """Reset to silence and a closed mouth."""
        self._set_openness(0.0)
        self.history = np.zeros(self.TAPS - 1, np.float32)

    def process(self, block: FloatArray, openness: float) -> FloatArray:
        """Filter a block (..., n), at whose end the openness (0..1) is reached."""
        n = block.shape[-1]
        samples = with_history(self.history, block)
        self.history = samples[..., n:]
        size = fft.next_fast_len(samples.shape[-1])
        spectrum = fft.rfft(samples, size)
        if abs(openness - self.openness) <= SMALLEST_STEP:
            return self._newest(spectrum * self._transfer(size), n, size)
        before = spectrum * self._transfer(size)
        self._set_openness(openness)
        both = np.stack([before, spectrum * self._transfer(size)])
        out, after = self._newest(both, n, size)  # together: a stereo block is a batch of the FFT
        faded: FloatArray = out + (after - out) * np.linspace(0.0, 1.0, n, dtype=np.float32)
        return faded

    def _set_openness(self, openness: float) -> None:
        self.openness, self.response = openness, self._response(openness)
        self.transfer = np.zeros(0, np.complex64)

    def _transfer(self, size: int) -> Spectrum:
        """The response's spectrum (size // 2 + 1,), kept as long as both stay as they are."""
        if len(self.transfer) != size // 2 + 1:
            self.transfer = fft.rfft(self.response, size)
        return self.transfer

    def _newest(self, spectrum: Spectrum, n: int, size: int) -> FloatArray:
        """The last n samples of the convolution, before the padding: (..., n)."""
        end = self.TAPS - 1 + n
        filtered: FloatArray = fft.irfft(spectrum, size)[..., end - n : end]
        return filtered

    def _low_edge(self) -> list[float]:
        return high_pass_section(LOW_EDGE_HZ, np.sqrt(0.5), self.sample_rate)

    def _high_edge(self) -> list[list[float]]:
        highest_hz = min(self.settings.output[1], 0.45 * self.sample_rate)
        return [low_pass_section(highest_hz, q, self.sample_rate) for q in BUTTERWORTH_Q]

    def _response(self, openness: float) -> FloatArray:
        """Impulse response: (TAPS,)."""
        settings, rate = self.settings, self.sample_rate
        cutoff_hz = min(geometric(settings, openness), 0.45 * rate)
        treble = high_shelf_section(cutoff_hz, settings.closed_db / 2, SHELF_Q, rate)
        presence = peak_section(PRESENCE_HZ, openness * settings.presence_db, PRESENCE_Q, rate)
        bass = low_shelf_section(BASS_HZ, openness * settings.bass_db, SHELF_Q, rate)
        response = self.edges * frequency_response([treble, treble, presence, bass], 2 * self.TAPS)
        truncated: FloatArray = fft.irfft(response)[: self.TAPS].astype(np.float32)
        return truncated
