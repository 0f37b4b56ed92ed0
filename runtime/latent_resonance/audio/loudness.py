"""How loud it is, by ITU-R BS.1770-4, and what keeps it from becoming louder than it may.

Used on the synthesis thread and in rendering. In: blocks of samples of any length, one channel.
Out: LUFS, or the block at another level. K-weighting is run as its own impulse response, like the
band-pass: its only memory is the input.
"""

from __future__ import annotations

import math
from collections import deque

import numpy as np
import scipy.fft

from latent_resonance.audio.spectrogram import FloatArray

SILENCE_DB = -math.inf
# No setting passes these: they are what the technician set the amplifier by.
HIGHEST_LUFS = -14.0  # in any 400 ms
HIGHEST_DBTP = -1.0  # between samples too
MOMENTARY_S = 0.4  # BS.1770-4's own window
FULL_SCALE_LUFS = -0.691  # of K-weighted power 1, BS.1770-4 equation 2
# The two sections of K-weighting, by centre (Hz), Q and gain (dB); at 48 kHz these give the tables
# 1 and 2 of BS.1770-4 (libebur128 has found them).
SHELF = (1681.974450955533, 0.7071752369554196, 3.999843853973347)
HIGH_PASS = (38.13547087602444, 0.5003270373238773)


def k_response(sample_rate: int, taps: int) -> FloatArray:
    """Impulse response of K-weighting: (taps,)."""
    delay = np.exp(-1j * np.linspace(0.0, np.pi, taps + 1))
    centre_hz, q, gain_db = SHELF
    k = math.tan(math.pi * centre_hz / sample_rate)
    high = 10.0 ** (gain_db / 20.0)
    middle = high**0.4996667741545416
    top = [high + middle * k / q + k * k, 2 * (k * k - high), high - middle * k / q + k * k]
    shelf = np.polyval(top[::-1], delay) / _denominator(k, q, delay)
    centre_hz, q = HIGH_PASS
    k = math.tan(math.pi * centre_hz / sample_rate)
    # The standard's numerator is 1, -2, 1: not normalised by the first of the denominator.
    first = 1.0 + k / q + k * k
    high_pass = np.square(1.0 - delay) * first / _denominator(k, q, delay)
    return scipy.fft.irfft(shelf * high_pass)[:taps].astype(np.float32)


def _denominator(k: float, q: float, delay: np.ndarray) -> np.ndarray:
    return (1.0 + k / q + k * k) + 2.0 * (k * k - 1.0) * delay + (1.0 - k / q + k * k) * delay**2


class KWeighting:
    """The ear's share in loudness: power of each block as BS.1770 hears it."""

    TAPS = 2048

    def __init__(self, sample_rate: int) -> None:
        self.response = k_response(sample_rate, self.TAPS)
        self.spectrum, self.size = np.zeros(0, np.complex64), 0
        self.reset()

    def reset(self) -> None:
        """Back to silence."""
        self.heard = np.zeros(self.TAPS - 1, np.float32)

    def energy(self, block: FloatArray) -> float:
        """Sum of the squares of a block, K-weighted."""
        heard = np.concatenate([self.heard, block])
        self.heard = heard[len(block) :]
        size = scipy.fft.next_fast_len(len(heard), real=True)
        if size != self.size:
            self.size, self.spectrum = size, scipy.fft.rfft(self.response, size)
        weighted = scipy.fft.irfft(scipy.fft.rfft(heard, size) * self.spectrum, size)
        newest = weighted[self.TAPS - 1 : len(heard)]
        return float(np.dot(newest, newest))


class Window:
    """Loudness of the newest `seconds` of what has been added."""

    def __init__(self, sample_rate: int, seconds: float) -> None:
        self.length = round(sample_rate * seconds)
        self.reset()

    def reset(self) -> None:
        """Back to silence."""
        self.parts: deque[tuple[float, int]] = deque()
        self.samples = 0

    def add(self, energy: float, samples: int) -> float:
        """A block's K-weighted energy and length; returns LUFS."""
        self.parts.append((energy, samples))
        self.samples += samples
        while self.samples - self.parts[0][1] >= self.length:
            self.samples -= self.parts.popleft()[1]
        return lufs(sum(energy for energy, _ in self.parts) / self.samples)


def lufs(power: float) -> float:
    """Loudness of a K-weighted mean square (BS.1770-4, equation 2)."""
    return FULL_SCALE_LUFS + 10.0 * math.log10(power + 1e-12)


class LoudnessCap:
    """Lets nothing be louder than HIGHEST_LUFS, whatever was set before it.

    A burst is caught by a window of 50 ms; what passes before it is caught makes the loudness of
    400 ms rise by no more than MARGIN_DB. Down within a block, up again slowly.
    """

    QUICK_S = 0.05
    MARGIN_DB = 2.0
    RISE_S = 0.3

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.ear = KWeighting(sample_rate)
        self.windows = [Window(sample_rate, seconds) for seconds in (self.QUICK_S, MOMENTARY_S)]
        self.reset()

    def reset(self) -> None:
        """Back to silence, with its hand off."""
        self.ear.reset()
        for window in self.windows:
            window.reset()
        self.gain_db = 0.0

    def process(self, block: FloatArray) -> FloatArray:
        """The block, no louder than it may be."""
        energy = self.ear.energy(block)
        loudest = max(window.add(energy, len(block)) for window in self.windows)
        wanted_db = min(HIGHEST_LUFS - self.MARGIN_DB - loudest, 0.0)
        before_db = self.gain_db
        risen_db = glided(before_db, wanted_db, len(block) / self.sample_rate, self.RISE_S)
        self.gain_db = wanted_db if wanted_db < before_db else min(risen_db, 0.0)
        return ramped(block, amplitude(before_db), amplitude(self.gain_db))


class Fader:
    """The hand on the volume: between visits, at opening and at closing; from silence."""

    RISE_S, FALL_S = 0.15, 1.0  # time constants
    SETTLED = 1e-4  # of full level, -80 dB: the rest of the way cannot be heard

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.reset()

    def reset(self) -> None:
        """Back to silence."""
        self.gain = 0.0

    def rests(self, gain_db: float) -> bool:
        """Whether there is silence and is to be: nothing has to be made to be faded."""
        return self.gain == 0.0 and gain_db == SILENCE_DB

    def process(self, block: FloatArray, gain_db: float, fall_s: float = FALL_S) -> FloatArray:
        """The block, on its way to gain_db (0 or below); fall_s is the time constant downwards."""
        before, target = self.gain, amplitude(min(gain_db, 0.0))
        time_constant_s = self.RISE_S if target > before else fall_s
        after = glided(before, target, len(block) / self.sample_rate, time_constant_s)
        self.gain = target if abs(after - target) < self.SETTLED else after
        return ramped(block, before, self.gain)


def amplitude(gain_db: float) -> float:
    """Decibels to a factor; SILENCE_DB is 0."""
    return 10.0 ** (gain_db / 20.0)


def glided(value: float, target: float, dt_s: float, time_constant_s: float) -> float:
    """One step of an exponential glide, the same at any step length."""
    return target + (value - target) * math.exp(-dt_s / time_constant_s)


def ramped(block: FloatArray, before: float, after: float) -> FloatArray:
    """The block with a gain that goes evenly from one factor to another; untouched at 1."""
    if before == after == 1.0:
        return block
    steps = np.arange(1, len(block) + 1, dtype=np.float32) / np.float32(len(block))
    return block * (np.float32(before) + np.float32(after - before) * steps)
