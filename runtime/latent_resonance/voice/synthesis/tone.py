"""The last stages, in the time domain: leveller, band-pass, limiter.

Runs on the synthesis thread, on blocks of any length. The band-pass comes after the phase
reconstruction, so that an opening mouth is audible at once and never waits for a frame.
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d
from scipy.special import i0

from latent_resonance.audio.fades import apply_ramp, approach
from latent_resonance.audio.loudness import (
    MAX_DBTP,
    MOMENTARY_S,
    KWeighting,
    LoudnessCap,
    LoudnessWindow,
    db_to_amplitude,
    lufs,
)
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
        """Filter a block; the upper edge reaches cutoff_hz at its end."""
        samples = np.concatenate([self.history, block])
        self.history = samples[len(block) :]
        out = self._convolve(samples, self.response)
        cutoff_hz = min(cutoff_hz, self.max_hz)
        if abs(cutoff_hz - self.cutoff_hz) > 1e-3 * self.cutoff_hz:
            self.cutoff_hz, self.response = cutoff_hz, self._response(cutoff_hz)
            fade = np.linspace(0.0, 1.0, len(block), dtype=np.float32)
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
        n = scipy.fft.next_fast_len(len(samples), real=True)
        product = scipy.fft.rfft(samples, n) * scipy.fft.rfft(response, n)
        filtered: FloatArray = scipy.fft.irfft(product, n)[self.TAPS - 1 : len(samples)]
        return filtered


class Leveller:
    """Adjusts the loudness slowly to a target; holds its gain during silence.

    Parameters
    ----------
    loudness_lufs : target over 400 ms, ITU-R BS.1770-4, as one channel
    expected_db : RMS of the pack according to its file, dBFS; sets the initial gain
    """

    GATE_LUFS = -65.0
    GAIN_DB = (-40.0, 24.0)
    RISE_S, FALL_S = 2.5, 0.35

    def __init__(self, sample_rate: int, loudness_lufs: float, expected_db: float) -> None:
        self.sample_rate = sample_rate
        self.loudness_lufs = loudness_lufs
        self.initial_gain_db = float(np.clip(loudness_lufs - expected_db, *self.GAIN_DB))
        self.k_weighting = KWeighting(sample_rate)
        self.window = LoudnessWindow(sample_rate, MOMENTARY_S)
        self.reset()

    def reset(self) -> None:
        """Reset to the initial gain."""
        self.gain_db = self.initial_gain_db
        self.k_weighting.reset()
        self.window.reset()

    def follow(self, before: Leveller) -> None:
        """Take over the gain of another leveller of the same sound, for this one's target."""
        self.gain_db = before.gain_db + self.loudness_lufs - before.loudness_lufs

    def process(self, block: FloatArray) -> FloatArray:
        """Apply the gain, which ramps within the block."""
        energy, before_db = self.k_weighting.energy(block), self.gain_db
        if lufs(energy / len(block)) > self.GATE_LUFS:
            loudness_lufs = self.window.add(energy, len(block))
            target_db = float(np.clip(self.loudness_lufs - loudness_lufs, *self.GAIN_DB))
            time_constant_s = self.FALL_S if target_db < before_db else self.RISE_S
            self.gain_db = approach(
                before_db, target_db, len(block) / self.sample_rate, time_constant_s
            )
        return apply_ramp(block, db_to_amplitude(before_db), db_to_amplitude(self.gain_db))


def interpolator(phases: int = 4, taps: int = 24) -> FloatArray:
    """Kaiser-windowed sinc between samples, after ITU-R BS.1770-4 annex 2: (phases, taps)."""
    centre = (taps - 1) / 2
    offset = np.arange(taps) - centre
    rows = []
    for phase in range(phases):
        x = offset - (phase / phases - 0.5)
        kaiser = i0(8.0 * np.sqrt(np.maximum(1 - (x / (taps / 2)) ** 2, 0))) / i0(8.0)
        row = np.sinc(x) * kaiser
        rows.append(row / row.sum())
    return np.array(rows, dtype=np.float32)


class Limiter:
    """True-peak limiter with look-ahead: the ceiling holds between samples too.

    The gain is the lowest needed within look-ahead and hold, smoothed by a window no longer than
    the look-ahead, so that it is reached before the peak. Adds `delay` samples.
    """

    LOOK_AHEAD = 96  # samples
    HOLD = 1536  # samples

    def __init__(self, ceiling_dbtp: float) -> None:
        # a margin of 0.2 dB covers what four-fold oversampling can miss
        self.ceiling = np.float32(10.0 ** ((ceiling_dbtp - 0.2) / 20.0))
        self.filters = interpolator()
        window = np.hanning(self.LOOK_AHEAD + 2)[1:-1]
        self.smooth = (window / window.sum()).astype(np.float32)
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
        """Limit a block; the output is delayed by `delay` samples."""
        n = len(block)
        taps = self.filters.shape[1]
        samples = np.concatenate([self.samples, block])
        recent = samples[len(samples) - n - taps + 1 :]
        between = [np.abs(np.convolve(recent, f[::-1], mode="valid")) for f in self.filters]
        middle = recent[taps // 2 - 1 : taps // 2 - 1 + n]
        peak = np.maximum(np.max(between, axis=0), np.abs(middle))
        needed = np.minimum(self.ceiling / np.maximum(peak, 1e-9), 1.0).astype(np.float32)
        gains = np.concatenate([self.gains, needed])
        gain = self._gain(gains, n)
        start = len(samples) - n - self.delay
        out = samples[start : start + n] * gain
        self.samples = samples[n:]
        self.gains = gains[n:]
        return out

    def _gain(self, gains: FloatArray, n: int) -> FloatArray:
        """Gain of each output sample: the minimum over hold and look-ahead, smoothed."""
        span = self.HOLD + self.LOOK_AHEAD
        lowest = minimum_filter1d(gains, span, mode="nearest", origin=(span - 1) // 2)
        # origin shifts the window so that lowest[i] looks back over gains[i - span + 1 .. i]
        smoothed: FloatArray = np.convolve(lowest, self.smooth, mode="valid")[-n:]
        return smoothed


class Tone:
    """Leveller, band-pass, volume; then loudness cap and limiter, which no setting switches off."""

    def __init__(
        self,
        sample_rate: int,
        *,
        loudness_lufs: float,
        expected_db: float,
        volume_db: float,
        ceiling_dbtp: float,
    ) -> None:
        self.leveller = Leveller(sample_rate, loudness_lufs, expected_db)
        self.band_pass = BandPass(sample_rate)
        self.volume = np.float32(10.0 ** (volume_db / 20.0))
        self.cap = LoudnessCap(sample_rate)
        self.limiter = Limiter(min(ceiling_dbtp, MAX_DBTP))

    def reset(self) -> None:
        """Reset every stage."""
        for stage in (self.leveller, self.band_pass, self.cap, self.limiter):
            stage.reset()

    def process(self, block: FloatArray, cutoff_hz: float) -> FloatArray:
        """Pass one block through every stage, float32."""
        levelled = self.leveller.process(block)
        filtered = self.band_pass.process(levelled, cutoff_hz)
        return self.limiter.process(self.cap.process(filtered * self.volume))
