"""Loudness by ITU-R BS.1770-4: measurement, a hard limit, and the volume fader.

Used on the synthesis thread and in rendering. In: blocks of any length, (n,) or (n_channels, n).
Out: LUFS, or the block at another level. The powers of the channels add up, wherever the speakers
stand (BS.1770-4 with a weight of 1), and all channels get the same gain.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.fades import apply_ramp, approach
from latent_resonance.audio.second_order_sections import SecondOrderSections
from latent_resonance.audio.spectrogram import FloatArray

SILENCE_DB = -math.inf
# No setting exceeds these limits: the amplifier is set with them in mind.
MAX_LUFS = -14.0  # in any 400 ms
MAX_DBTP = -1.0  # true peak, between samples too
MOMENTARY_S = 0.4  # window of BS.1770-4's momentary loudness
FULL_SCALE_LUFS = -0.691  # of K-weighted power 1, BS.1770-4 equation 2
# The two sections of K-weighting by centre (Hz), Q and gain (dB), as derived in libebur128; at
# 48 kHz they give tables 1 and 2 of BS.1770-4.
GRID = 4097  # bins of the frequency response that is interpolated
SHELF = (1681.974450955533, 0.7071752369554196, 3.999843853973347)
HIGH_PASS = (38.13547087602444, 0.5003270373238773)


def k_sections(sample_rate: int) -> NDArray[np.float64]:
    """K-weighting as two second-order sections: (2, 6) of b0 b1 b2 1 a1 a2."""
    centre_hz, q, gain_db = SHELF
    k = math.tan(math.pi * centre_hz / sample_rate)
    high = 10.0 ** (gain_db / 20.0)
    middle = high**0.4996667741545416
    below = np.array([1.0 + k / q + k * k, 2 * (k * k - 1.0), 1.0 - k / q + k * k])
    above = [high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k]
    shelf = [*(above / below[0]), *(below / below[0])]
    centre_hz, q = HIGH_PASS
    k = math.tan(math.pi * centre_hz / sample_rate)
    below = np.array([1.0 + k / q + k * k, 2 * (k * k - 1.0), 1.0 - k / q + k * k])
    # The standard's numerator is 1, -2, 1: not normalised by the denominator's first coefficient.
    return np.array([shelf, [1.0, -2.0, 1.0, *(below / below[0])]])


def k_gain(sample_rate: int, n_bins: int) -> NDArray[np.complex128]:
    """Frequency response of K-weighting, from 0 Hz to half the sample rate: (n_bins,)."""
    delay = np.exp(-1j * np.linspace(0.0, np.pi, n_bins))
    powers = np.stack([np.ones_like(delay), delay, delay**2])
    sections = k_sections(sample_rate)
    gain: NDArray[np.complex128] = np.prod(sections[:, :3] @ powers, axis=0)
    gain /= np.prod(sections[:, 3:] @ powers, axis=0)
    return gain


def k_power(frequency_hz: NDArray[np.float64], sample_rate: int) -> FloatArray:
    """Power gain of K-weighting at some frequencies, alike in shape."""
    gain = np.abs(k_gain(sample_rate, GRID))
    grid_hz = np.linspace(0.0, sample_rate / 2.0, GRID)
    power: FloatArray = np.interp(frequency_hz, grid_hz, np.square(gain)).astype(np.float32)
    return power


class KWeighting:
    """K-weighted energy of successive blocks (BS.1770-4)."""

    def __init__(self, sample_rate: int) -> None:
        self.filter = SecondOrderSections(k_sections(sample_rate))

    def reset(self) -> None:
        """Return to silence."""
        self.filter.reset()

    def energy(self, block: FloatArray) -> float:
        """Sum of the squares of the K-weighted block (..., n), over all channels."""
        weighted = self.filter.process(block).ravel()
        return float(np.dot(weighted, weighted))


class LoudnessWindow:
    """Loudness of the most recent `seconds`."""

    def __init__(self, sample_rate: int, seconds: float) -> None:
        self.length = round(sample_rate * seconds)
        self.reset()

    def reset(self) -> None:
        """Return to silence."""
        self.blocks: deque[tuple[float, int]] = deque()
        self.n_samples = 0

    def add(self, energy: float, n_samples: int) -> float:
        """Add a block's K-weighted energy and length; return LUFS."""
        self.blocks.append((energy, n_samples))
        self.n_samples += n_samples
        while self.n_samples - self.blocks[0][1] >= self.length:
            self.n_samples -= self.blocks.popleft()[1]
        return lufs(sum(energy for energy, _ in self.blocks) / self.n_samples)


def lufs(power: float) -> float:
    """Loudness of a K-weighted mean square (BS.1770-4, equation 2)."""
    return FULL_SCALE_LUFS + 10.0 * math.log10(power + 1e-12)


class LoudnessCap:
    """Keep the loudness below MAX_LUFS, whatever the settings.

    A window of 50 ms detects a burst; what passes before that raises the loudness of 400 ms by at
    most HEADROOM_DB. The gain falls within a block and rises slowly.
    """

    FAST_WINDOW_S = 0.05
    HEADROOM_DB = 2.5
    RISE_S = 0.3

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.k_weighting = KWeighting(sample_rate)
        self.windows = [
            LoudnessWindow(sample_rate, seconds) for seconds in (self.FAST_WINDOW_S, MOMENTARY_S)
        ]
        self.reset()

    def reset(self) -> None:
        """Return to silence and unity gain."""
        self.k_weighting.reset()
        for window in self.windows:
            window.reset()
        self.gain_db = 0.0

    def process(self, block: FloatArray) -> FloatArray:
        """The block, attenuated if it is too loud."""
        n, energy = block.shape[-1], self.k_weighting.energy(block)
        loudest = max(window.add(energy, n) for window in self.windows)
        target_db = min(MAX_LUFS - self.HEADROOM_DB - loudest, 0.0)
        before_db = self.gain_db
        rising_db = approach(before_db, target_db, n / self.sample_rate, self.RISE_S)
        self.gain_db = target_db if target_db < before_db else min(rising_db, 0.0)
        return apply_ramp(block, db_to_amplitude(before_db), db_to_amplitude(self.gain_db))


class Fader:
    """Smooth volume changes between visits, at opening and closing; starts from silence."""

    RISE_S, FALL_S = 0.15, 1.0  # time constants
    MAX_GAIN_ERROR = 1e-4  # -80 dB: below it the gain jumps to its target, inaudibly

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.reset()

    def reset(self) -> None:
        """Return to silence."""
        self.gain = 0.0

    def is_silent(self, gain_db: float) -> bool:
        """Whether the gain is 0 and stays so: no sound has to be synthesised."""
        return self.gain == 0.0 and gain_db == SILENCE_DB

    def process(self, block: FloatArray, gain_db: float, fall_s: float = FALL_S) -> FloatArray:
        """The block faded towards gain_db (0 or below); fall_s is the time constant of a fall."""
        before, target = self.gain, db_to_amplitude(min(gain_db, 0.0))
        time_constant_s = self.RISE_S if target > before else fall_s
        after = approach(before, target, block.shape[-1] / self.sample_rate, time_constant_s)
        self.gain = target if abs(after - target) < self.MAX_GAIN_ERROR else after
        return apply_ramp(block, before, self.gain)


def db_to_amplitude(gain_db: float) -> float:
    """Decibels to a factor; SILENCE_DB is 0."""
    factor: float = 10.0 ** (gain_db / 20.0)
    return factor
