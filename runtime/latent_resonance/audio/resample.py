"""Sample rate conversion, block by block, for a device that refuses the pack's rate.

Runs on the synthesis thread. In: blocks of any length at one rate. Out: the complete samples
at the other. A polyphase filter of Kaiser-windowed sincs (Smith, "Digital Audio Resampling",
https://ccrma.stanford.edu/~jos/resample/).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from latent_resonance.audio.channels import with_history
from latent_resonance.audio.spectrogram import FloatArray

TAPS = 64  # input samples per output sample when upsampling
BETA = 9.0  # of the Kaiser window: -90 dB in the stop band
ROLL_OFF = 0.92  # of the lower Nyquist frequency: 20.3 kHz at 44.1 kHz


class Resampler:
    """Convert a stream from one sample rate to another.

    Output sample m is at input sample m * down / up, minus the `delay`.
    """

    def __init__(self, from_rate: int, to_rate: int) -> None:
        common = math.gcd(from_rate, to_rate)
        self.up, self.down = to_rate // common, from_rate // common
        shrink = min(1.0, to_rate / from_rate)
        self.taps = 2 * math.ceil(TAPS / shrink / 2)
        self.filters = _filters(self.up, self.taps, shrink * ROLL_OFF)
        self.reset()

    @property
    def delay(self) -> int:
        """Latency in input samples."""
        return self.taps // 2

    def reset(self) -> None:
        """Return to silence."""
        self.history = np.zeros(self.taps - 1, np.float32)
        self.position = 0  # of the next output sample in the next block, in 1/up of its samples

    def process(self, block: FloatArray) -> FloatArray:
        """(..., n) -> n * to_rate / from_rate samples, rounded up or down."""
        n = block.shape[-1]
        padded = with_history(self.history, block)
        positions = np.arange(self.position, n * self.up, self.down)
        whole, phase = np.divmod(positions, self.up)
        windows = sliding_window_view(padded, self.taps, axis=-1)[..., whole, :]
        self.history = padded[..., n:]
        self.position += len(positions) * self.down - n * self.up
        resampled: FloatArray = np.einsum("...ij,ij->...i", windows, self.filters[phase])
        return resampled


def _filters(phases: int, taps: int, cutoff: float) -> FloatArray:
    """One row of weights for each fractional position: (phases, taps)."""
    offset = np.arange(taps) - (taps // 2 - 1)
    x = offset - np.arange(phases)[:, None] / phases
    kaiser = np.i0(BETA * np.sqrt(np.maximum(1.0 - np.square(x / (taps / 2)), 0.0))) / np.i0(BETA)
    rows = np.sinc(cutoff * x) * kaiser
    normalised: FloatArray = (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
    return normalised
