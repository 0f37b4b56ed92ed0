"""Onset of a gesture in recorded sound: timed samples in, seconds out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.bench.tape import HEAD

SAMPLE_RATE = 48_000
STEP = 48  # samples between two levels, 1 ms
HIGHPASS_HZ = 3000.0  # the filter of a closed mouth passes nothing above
HIGH_WINDOW = 96  # samples, 2 ms
CHORD_WINDOW = 2048  # samples, 43 ms: separates partials 70 Hz apart
BASELINE_S = 0.1  # before a gesture; its highest level is the baseline
PLATEAU_S = (0.36, 0.44)  # after a gesture, when its change is complete
ONSET_DB = -20.0  # relative to the plateau: a tenth of its amplitude
MIN_RISE_DB = 10.0  # of the onset above the baseline
MIN_GAP_S = 0.02  # between two blocks; a shorter gap is a clock that was read late
CLOCK_WINDOW_S = 0.5  # blocks within this time give the clock at an instant

FloatArray = NDArray[np.float64]


class TapeError(LatentResonanceError):
    """A tape is empty."""


@dataclass(frozen=True)
class Recording:
    """What an output device has played, and when.

    Attributes
    ----------
    samples : (n,), with silence in gaps
    indices, times_s : (m,) of the first sample of each block: its index and its output time
        (monotonic)
    sample_rate : Hz
    """

    samples: NDArray[np.float32]
    indices: NDArray[np.int64]
    times_s: FloatArray
    sample_rate: int = SAMPLE_RATE

    @property
    def end_s(self) -> float:
        """Output time of the last sample."""
        return float(self.times_s[-1] + (len(self.samples) - self.indices[-1]) / self.sample_rate)

    def start_s(self, around_s: float) -> float:
        """Output time of the first sample, extrapolated from the blocks around an instant.

        The median over these blocks: a callback may read the clock late, and the device's clock
        drifts against the machine's. NaN if there are none.
        """
        near = np.abs(self.times_s - around_s) < CLOCK_WINDOW_S
        start_s = self.times_s[near] - self.indices[near] / self.sample_rate
        return float(np.median(start_s)) if len(start_s) else float("nan")


@dataclass(frozen=True)
class Levels:
    """A level in dB every `step_s` from the first sample on."""

    db: FloatArray
    step_s: float


def read_tape(data: bytes, sample_rate: int = SAMPLE_RATE) -> Recording:
    """Read a tape: blocks of HEAD (output time, number of samples) and float32 samples.

    Raises
    ------
    TapeError
        It is empty.
    """
    blocks: list[NDArray[np.float32]] = []
    indices, times_s, end, end_s, offset = [], [], 0, None, 0
    while offset + HEAD.size <= len(data):
        start_ns, frames = HEAD.unpack_from(data, offset)
        samples = np.frombuffer(
            data[offset + HEAD.size : offset + HEAD.size + 4 * frames], np.float32
        )
        gap_s = 0.0 if end_s is None else start_ns / 1e9 - end_s
        if gap_s > MIN_GAP_S:
            blocks.append(np.zeros(round(gap_s * sample_rate), np.float32))
            end += len(blocks[-1])
        blocks.append(samples)
        indices.append(end)
        times_s.append(start_ns / 1e9)
        end, end_s, offset = (
            end + frames,
            times_s[-1] + frames / sample_rate,
            offset + HEAD.size + 4 * frames,
        )
    if not blocks:
        raise TapeError("the output device has played nothing")
    return Recording(np.concatenate(blocks), np.array(indices), np.array(times_s), sample_rate)


def high_levels(samples: NDArray[np.floating], sample_rate: int = SAMPLE_RATE) -> Levels:
    """Levels above HIGHPASS_HZ, each over the 2 ms before it."""
    sections = scipy.signal.butter(4, HIGHPASS_HZ, "highpass", fs=sample_rate, output="sos")
    power = np.square(scipy.signal.sosfilt(sections, samples))
    return Levels(_mean_db(power, HIGH_WINDOW), STEP / sample_rate)


def chord_levels(
    samples: NDArray[np.floating], frequency_hz: float, sample_rate: int = SAMPLE_RATE
) -> Levels:
    """Levels of one partial, each over the 43 ms around it."""
    times = np.arange(-CHORD_WINDOW // 2, CHORD_WINDOW // 2) / sample_rate
    kernel = np.blackman(CHORD_WINDOW) * np.exp(2j * np.pi * frequency_hz * times)
    tone = scipy.signal.oaconvolve(samples, kernel, mode="same")[::STEP]
    return Levels(10 * np.log10(np.square(np.abs(tone)) + 1e-12), STEP / sample_rate)


def delays_s(levels: Levels, recording: Recording, gestures_s: FloatArray) -> FloatArray:
    """Seconds (n,) from each gesture to its onset; NaN without one."""
    return np.array([onset_s(levels, recording.start_s(at_s), at_s) for at_s in gestures_s])


def onset_s(levels: Levels, start_s: float, gesture_s: float) -> float:
    """Seconds from a gesture to its onset; NaN without one, or outside the recording."""
    if not np.isfinite(start_s):
        return float("nan")
    first = round((gesture_s - start_s) / levels.step_s)
    baseline = levels.db[max(first - round(BASELINE_S / levels.step_s), 0) : max(first, 0)]
    low, high = (first + round(s / levels.step_s) for s in PLATEAU_S)
    if len(baseline) == 0 or high > len(levels.db):
        return float("nan")
    plateau = float(np.median(levels.db[low:high]))
    threshold_db = plateau + ONSET_DB
    if threshold_db < baseline.max() + MIN_RISE_DB:
        return float("nan")
    return float(np.argmax(levels.db[first:high] >= threshold_db)) * levels.step_s


def _mean_db(power: FloatArray, length: int) -> FloatArray:
    sums = np.concatenate([[0.0], np.cumsum(power)])
    ends = np.arange(0, len(power), STEP)
    starts = np.maximum(ends - length, 0)
    power_means: FloatArray = (sums[ends] - sums[starts]) / length
    return 10 * np.log10(power_means + 1e-12)
