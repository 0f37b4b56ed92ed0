"""When a gesture is heard. Pure: samples with a clock in, seconds out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

RATE = 48_000
STEP = 48  # samples between two levels, 1 ms
HIGH_HZ = 3000.0  # a closed mouth lets nothing through up here
HIGH_WINDOW = 96  # samples, 2 ms
CHORD_WINDOW = 2048  # samples, 43 ms: chords 70 Hz apart
BEFORE_S = 0.25  # in which the highest level is what was before
PLATEAU_S = (0.55, 0.65)  # after a gesture, in which it is fully heard
ONSET_DB = -20.0  # below the plateau: a tenth of its amplitude
CLEARLY_DB = 10.0  # above what was before

Levels = NDArray[np.float64]


@dataclass(frozen=True)
class Heard:
    """A recording: samples (n,), the first at begun_s; monotonic seconds."""

    samples: NDArray[np.float32]
    begun_s: float


def high_levels(samples: NDArray[np.float32]) -> Levels:
    """dB above HIGH_HZ, each STEP samples; a level is that of the 2 ms up to its end."""
    sections = scipy.signal.butter(4, HIGH_HZ, "highpass", fs=RATE, output="sos")
    return _mean_db(np.square(scipy.signal.sosfilt(sections, samples)), HIGH_WINDOW)


def chord_levels(samples: NDArray[np.float32], frequency_hz: float) -> Levels:
    """dB of one partial, each STEP samples; a level is that of the 43 ms around its time."""
    times = np.arange(-CHORD_WINDOW // 2, CHORD_WINDOW // 2) / RATE
    kernel = np.hanning(CHORD_WINDOW) * np.exp(2j * np.pi * frequency_hz * times)
    tone = scipy.signal.oaconvolve(samples, kernel, mode="same")[::STEP]
    return 10 * np.log10(np.square(np.abs(tone)) + 1e-12)


def onset_s(levels: Levels, begun_s: float, gesture_s: float) -> float | None:
    """Seconds from a gesture until it is heard; None if it is not, or nothing can be said."""
    first = round((gesture_s - begun_s) * RATE / STEP)
    before = levels[max(first - round(BEFORE_S * RATE / STEP), 0) : first]
    low, high = (first + round(s * RATE / STEP) for s in PLATEAU_S)
    if len(before) == 0 or high > len(levels):
        return None
    plateau = float(np.median(levels[low:high]))
    enough = plateau + ONSET_DB
    if enough < before.max() + CLEARLY_DB:
        return None
    return float(np.argmax(levels[first:high] >= enough)) * STEP / RATE


def _mean_db(power: NDArray[np.float64], length: int) -> Levels:
    sums = np.concatenate([[0.0], np.cumsum(power)])
    ends = np.arange(0, len(power), STEP)
    starts = np.maximum(ends - length, 0)
    return 10 * np.log10((sums[ends] - sums[starts]) / length + 1e-12)
