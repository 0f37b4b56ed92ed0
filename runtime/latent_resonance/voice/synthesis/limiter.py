"""The true-peak limiter, the last stage before the speaker.

Runs on the synthesis thread, on blocks of any length.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.channels import with_history
from latent_resonance.audio.moving_window import moving_minimum
from latent_resonance.audio.spectrogram import FloatArray


def interpolator(phases: int = 4, taps: int = 24) -> FloatArray:
    """Kaiser-windowed sinc between samples, after ITU-R BS.1770-4 annex 2: (phases, taps)."""
    centre = (taps - 1) / 2
    offset = np.arange(taps) - centre
    rows = []
    for phase in range(phases):
        x = offset - (phase / phases - 0.5)
        kaiser = np.i0(8.0 * np.sqrt(np.maximum(1 - (x / (taps / 2)) ** 2, 0))) / np.i0(8.0)
        row = np.sinc(x) * kaiser
        rows.append(row / row.sum())
    return np.array(rows, dtype=np.float32)


class Limiter:
    """True-peak limiter with look-ahead: the ceiling holds between samples too.

    The gain is the lowest needed within look-ahead and hold, smoothed by a window no longer than
    the look-ahead, so that it is reached before the peak. All channels get the same gain, so that
    no sound moves between the speakers. Adds `delay` samples.
    """

    LOOK_AHEAD = 96  # samples
    HOLD = 1536  # samples

    def __init__(self, ceiling_dbtp: float) -> None:
        # a margin of 0.2 dB covers what four-fold oversampling can miss
        self.ceiling = np.float32(10.0 ** ((ceiling_dbtp - 0.2) / 20.0))
        self.filters = interpolator()
        self.overshoot = np.abs(self.filters).sum(axis=1).max()  # between samples, at most
        window = np.hanning(self.LOOK_AHEAD + 2)[1:-1]
        self.smooth = (window / window.sum()).astype(np.float32)
        self.unity = np.convolve(np.ones_like(self.smooth), self.smooth, mode="valid")  # (1,)
        self.reset()

    @property
    def delay(self) -> int:
        """Samples from input to output."""
        return self.LOOK_AHEAD + int(self.filters.shape[1]) // 2

    def reset(self) -> None:
        """Reset to silence."""
        taps = self.filters.shape[1]
        self.samples = np.zeros(self.delay + taps, np.float32)
        self.gains = np.ones(self.HOLD + 2 * self.LOOK_AHEAD, np.float32)

    def process(self, block: FloatArray) -> FloatArray:
        """Limit a block (..., n); the output is delayed by `delay` samples."""
        n = block.shape[-1]
        samples = with_history(self.samples, block)
        length = samples.shape[-1]
        needed = self._needed(samples[..., length - n - self.filters.shape[1] + 1 :], n)
        gains = np.concatenate([self.gains, needed])
        start = length - n - self.delay
        out = samples[..., start : start + n] * self._gain(gains, n)
        self.samples = samples[..., n:]
        self.gains = gains[n:]
        return out

    def _needed(self, recent: FloatArray, n: int) -> FloatArray:
        """Highest gain that keeps each of the newest n samples below the ceiling: (n,)."""
        if np.abs(recent).max() * self.overshoot < self.ceiling:
            return np.ones(n, np.float32)
        peak = np.maximum(self._peak(recent, n), 1e-9)
        return np.minimum(self.ceiling / peak, 1.0).astype(np.float32)

    def _peak(self, recent: FloatArray, n: int) -> FloatArray:
        """Highest of all channels at and between the newest n samples: (n,)."""
        taps = self.filters.shape[1]
        middle = np.abs(recent[..., taps // 2 - 1 : taps // 2 - 1 + n])
        peaks = [*np.atleast_2d(middle)]
        for channel in np.atleast_2d(recent):
            peaks += [np.abs(np.convolve(channel, f[::-1], mode="valid")) for f in self.filters]
        highest: FloatArray = np.max(peaks, axis=0)
        return highest

    def _gain(self, gains: FloatArray, n: int) -> FloatArray:
        """Gain of each output sample, or (1,): the minimum over hold and look-ahead, smoothed."""
        if gains.min() == 1.0:
            return self.unity  # as below, without its cost: hardly any block is limited
        span = self.HOLD + self.LOOK_AHEAD
        lowest = moving_minimum(gains, span, origin=(span - 1) // 2)
        # origin shifts the window so that lowest[i] looks back over gains[i - span + 1 .. i]
        recent = lowest[-(n + len(self.smooth) - 1) :]
        smoothed: FloatArray = np.convolve(recent, self.smooth, mode="valid")
        return smoothed
