"""For the device that refuses the pack's sample rate, and only then: another one, block by block.

Lives on the synthesis thread. In: blocks of any length at one rate. Out: what is complete of
them at the other. A polyphase filter of Kaiser-windowed sines (Smith, "Digital Audio
Resampling", https://ccrma.stanford.edu/~jos/resample/).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.special import i0

from latent_resonance.audio.spectrogram import FloatArray

TAPS = 64  # input samples behind each output sample, when the rate rises
BETA = 9.0  # of the Kaiser window: -90 dB beyond the transition
ROLL_OFF = 0.92  # of the lower Nyquist frequency: 20.3 kHz at 44.1 kHz


class Resampler:
    """A stream at one sample rate to a stream at another.

    Output sample m lies at input sample m * down / up, less the `delay`.
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
        """Input samples by which the output is later."""
        return self.taps // 2

    def reset(self) -> None:
        """Back to silence."""
        self.heard = np.zeros(self.taps - 1, np.float32)
        self.place = 0  # of the next output sample in the coming block, in 1/up of its samples

    def process(self, block: FloatArray) -> FloatArray:
        """(n,) -> about n * to_rate / from_rate samples, some block's one more than another's."""
        heard = np.concatenate([self.heard, block])
        places = np.arange(self.place, len(block) * self.up, self.down)
        whole, phase = np.divmod(places, self.up)
        windows = sliding_window_view(heard, self.taps)[whole]
        self.heard = heard[len(block) :]
        self.place += len(places) * self.down - len(block) * self.up
        return np.einsum("ij,ij->i", windows, self.filters[phase])


def _filters(phases: int, taps: int, cutoff: float) -> FloatArray:
    """One row of weights for each place between two input samples: (phases, taps)."""
    offset = np.arange(taps) - (taps // 2 - 1)
    x = offset - np.arange(phases)[:, None] / phases
    kaiser = i0(BETA * np.sqrt(np.maximum(1.0 - np.square(x / (taps / 2)), 0.0))) / i0(BETA)
    rows = np.sinc(cutoff * x) * kaiser
    return (rows / rows.sum(axis=1, keepdims=True)).astype(np.float32)
