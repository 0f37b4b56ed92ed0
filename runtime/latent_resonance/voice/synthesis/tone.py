"""The last of the sound, in the time domain: leveller, band-pass, limiter.

Lives on the synthesis thread, a block of any length at a time. The band-pass comes after
the phase reconstruction, so an opening mouth is heard at once and never waits for a frame.
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

LOW_EDGE_HZ = 40.0  # below this a small speaker only suffers
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
    """Fixed lower edge, upper edge that glides: 12 dB and 24 dB an octave.

    A recursive filter clicks when its coefficients leap, for its memory was made by others.
    So this one is run as its own impulse response, cut off after TAPS samples: its only
    memory is the input, and a block fades from the old response to the new one.
    """

    TAPS = 2048

    def __init__(self, sample_rate: int, cutoff_hz: float = 400.0) -> None:
        self.sample_rate = sample_rate
        self.highest_hz = 0.45 * sample_rate
        self.first_hz = cutoff_hz
        self.delay = np.exp(-1j * np.linspace(0.0, np.pi, self.TAPS + 1))
        rumble = high_pass_section(LOW_EDGE_HZ, np.sqrt(0.5), sample_rate)
        self.low_edge = frequency_response(rumble, self.delay)
        self.reset()

    def reset(self) -> None:
        """Back to silence and to the first cutoff."""
        self.cutoff_hz = self.first_hz
        self.response = self._response(self.first_hz)
        self.heard = np.zeros(self.TAPS - 1, np.float32)

    def process(self, block: FloatArray, cutoff_hz: float) -> FloatArray:
        """Filters a block, its upper edge arriving at cutoff_hz by the block's end."""
        heard = np.concatenate([self.heard, block])
        self.heard = heard[len(block) :]
        out = self._convolve(heard, self.response)
        cutoff_hz = min(cutoff_hz, self.highest_hz)
        if abs(cutoff_hz - self.cutoff_hz) > 1e-3 * self.cutoff_hz:
            self.cutoff_hz, self.response = cutoff_hz, self._response(cutoff_hz)
            fade = np.linspace(0.0, 1.0, len(block), dtype=np.float32)
            out += (self._convolve(heard, self.response) - out) * fade
        return out

    def _response(self, cutoff_hz: float) -> FloatArray:
        """Impulse response: (TAPS,)."""
        response = self.low_edge
        for q in BUTTERWORTH_Q:
            section = low_pass_section(cutoff_hz, q, self.sample_rate)
            response = response * frequency_response(section, self.delay)
        return scipy.fft.irfft(response)[: self.TAPS].astype(np.float32)

    def _convolve(self, heard: FloatArray, response: FloatArray) -> FloatArray:
        """Where `response` lies wholly within `heard`: the samples of the newest block."""
        n = scipy.fft.next_fast_len(len(heard), real=True)
        product = scipy.fft.rfft(heard, n) * scipy.fft.rfft(response, n)
        return scipy.fft.irfft(product, n)[self.TAPS - 1 : len(heard)]


class Leveller:
    """Brings the loudness slowly to a target; holds its gain through silence.

    Parameters
    ----------
    loudness_lufs : wanted in 400 ms, ITU-R BS.1770-4, as one channel
    expected_db : RMS that the pack says it has, dBFS; sets the gain to begin with
    """

    GATE_LUFS = -65.0
    GAIN_DB = (-40.0, 24.0)
    RISE_S, FALL_S = 2.5, 0.35

    def __init__(self, sample_rate: int, loudness_lufs: float, expected_db: float) -> None:
        self.sample_rate = sample_rate
        self.loudness_lufs = loudness_lufs
        self.first_gain_db = float(np.clip(loudness_lufs - expected_db, *self.GAIN_DB))
        self.ear = KWeighting(sample_rate)
        self.window = LoudnessWindow(sample_rate, MOMENTARY_S)
        self.reset()

    def reset(self) -> None:
        """Back to the gain that the pack expects."""
        self.gain_db = self.first_gain_db
        self.ear.reset()
        self.window.reset()

    def follow(self, before: Leveller) -> None:
        """Takes over from another one of the same sound, at the own target."""
        self.gain_db = before.gain_db + self.loudness_lufs - before.loudness_lufs

    def process(self, block: FloatArray) -> FloatArray:
        """Applies the gain, gliding within the block."""
        energy, before_db = self.ear.energy(block), self.gain_db
        if lufs(energy / len(block)) > self.GATE_LUFS:
            loudness_lufs = self.window.add(energy, len(block))
            wanted_db = float(np.clip(self.loudness_lufs - loudness_lufs, *self.GAIN_DB))
            time_constant_s = self.FALL_S if wanted_db < before_db else self.RISE_S
            self.gain_db = approach(
                before_db, wanted_db, len(block) / self.sample_rate, time_constant_s
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
    """True-peak limiter with look-ahead: nothing passes the ceiling, not even between samples.

    The gain is the lowest needed within the look-ahead and the hold, smoothed by a window no
    longer than the look-ahead, so it is down before the peak arrives. Adds `delay` samples.
    """

    LOOK_AHEAD = 96  # samples
    HOLD = 1536  # samples

    def __init__(self, ceiling_dbtp: float) -> None:
        # 0.2 dB of margin covers what four-fold oversampling can miss
        self.ceiling = np.float32(10.0 ** ((ceiling_dbtp - 0.2) / 20.0))
        self.filters = interpolator()
        window = np.hanning(self.LOOK_AHEAD + 2)[1:-1]
        self.smooth = (window / window.sum()).astype(np.float32)
        self.reset()

    @property
    def delay(self) -> int:
        """Samples from input to output."""
        return self.LOOK_AHEAD + self.filters.shape[1] // 2

    def reset(self) -> None:
        """Back to silence."""
        taps = self.filters.shape[1]
        self.samples = np.zeros(self.delay + taps, np.float32)
        self.gains = np.ones(self.HOLD + 2 * self.LOOK_AHEAD, np.float32)

    def process(self, block: FloatArray) -> FloatArray:
        """Limits a block; what comes out is `delay` samples older."""
        n = len(block)
        taps = self.filters.shape[1]
        heard = np.concatenate([self.samples, block])
        recent = heard[len(heard) - n - taps + 1 :]
        between = [np.abs(np.convolve(recent, f[::-1], mode="valid")) for f in self.filters]
        middle = recent[taps // 2 - 1 : taps // 2 - 1 + n]
        peak = np.maximum(np.max(between, axis=0), np.abs(middle))
        needed = np.minimum(self.ceiling / np.maximum(peak, 1e-9), 1.0).astype(np.float32)
        gains = np.concatenate([self.gains, needed])
        gain = self._gain(gains, n)
        start = len(heard) - n - self.delay
        out = heard[start : start + n] * gain
        self.samples = heard[n:]
        self.gains = gains[n:]
        return out

    def _gain(self, gains: FloatArray, n: int) -> FloatArray:
        """Gain of each outgoing sample: lowest of the hold and the look-ahead, smoothed."""
        span = self.HOLD + self.LOOK_AHEAD
        lowest = minimum_filter1d(gains, span, mode="nearest", origin=(span - 1) // 2)
        # origin shifts the window so that lowest[i] looks back over gains[i - span + 1 .. i]
        smoothed = np.convolve(lowest, self.smooth, mode="valid")
        return smoothed[-n:]


class Tone:
    """Leveller, band-pass, volume, and last what no setting passes: loudness cap and limiter."""

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
        """Every stage back to its beginning."""
        for stage in (self.leveller, self.band_pass, self.cap, self.limiter):
            stage.reset()

    def process(self, block: FloatArray, cutoff_hz: float) -> FloatArray:
        """One block through every stage, float32."""
        levelled = self.leveller.process(block)
        filtered = self.band_pass.process(levelled, cutoff_hz)
        return self.limiter.process(self.cap.process(filtered * self.volume))
