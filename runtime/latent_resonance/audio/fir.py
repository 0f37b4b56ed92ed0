"""A fixed filter by convolution with its impulse response: its only state is past input.

Runs on the synthesis thread, on blocks of any length.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio import fft
from latent_resonance.audio.channels import with_history
from latent_resonance.audio.spectrogram import FloatArray


class FirFilter:
    """Overlap-save convolution of blocks (..., n).

    Parameters
    ----------
    response : (taps,) for all channels, or (n_channels, taps)
    """

    def __init__(self, response: FloatArray) -> None:
        self.response, self.taps = response, response.shape[-1]
        self.spectrum, self.size = np.zeros(0, np.complex64), 0
        self.reset()

    def reset(self) -> None:
        """Return to silence."""
        self.history = np.zeros(self.taps - 1, np.float32)

    def process(self, block: FloatArray) -> FloatArray:
        """Filter a block (..., n), without delay."""
        padded = with_history(self.history, block)
        length = padded.shape[-1]
        self.history = padded[..., block.shape[-1] :]
        size = fft.next_fast_len(length)
        if size != self.size:
            self.size, self.spectrum = size, fft.rfft(self.response, size)
        product = fft.rfft(padded, size) * self.spectrum
        filtered: FloatArray = fft.irfft(product, size)[..., self.taps - 1 : length]
        return filtered
