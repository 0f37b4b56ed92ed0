"""When a gesture is heard: a tape of samples with their times in, seconds out. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.signal
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance.bench.tape import HEAD

RATE = 48_000
STEP = 48  # samples between two levels, 1 ms
HIGH_HZ = 3000.0  # a closed mouth lets nothing through up here
HIGH_WINDOW = 96  # samples, 2 ms
CHORD_WINDOW = 2048  # samples, 43 ms: chords 70 Hz apart
BEFORE_S = 0.1  # in which the highest level is what was before
PLATEAU_S = (0.36, 0.44)  # after a gesture, in which it is fully heard
ONSET_DB = -20.0  # below the plateau: a tenth of its amplitude
CLEARLY_DB = 10.0  # above what was before
BREAK_S = 0.02  # a pause this long between two pieces is one; less is a clock that was read late
NEAR_S = 0.5  # pieces this near to an instant tell what the clock was

FloatArray = NDArray[np.float64]


class TapeError(LatentResonanceError):
    """There is nothing on a tape."""


@dataclass(frozen=True)
class Heard:
    """What a speaker has played, and when.

    Attributes
    ----------
    samples : (n,), with silence where it had nothing
    places, times_s : (m,), of some samples: which they are, and when they were heard (monotonic)
    rate : Hz
    """

    samples: NDArray[np.float32]
    places: NDArray[np.int64]
    times_s: FloatArray
    rate: int = RATE

    @property
    def ended_s(self) -> float:
        """When the last sample was heard."""
        return float(self.times_s[-1] + (len(self.samples) - self.places[-1]) / self.rate)

    def begun_s(self, around_s: float) -> float:
        """When the first sample would have been heard, by the clock as it was around an instant.

        The median of what the pieces say, for a callback may read the clock late, and a device's
        clock is not the machine's. NaN where nothing was heard.
        """
        near = np.abs(self.times_s - around_s) < NEAR_S
        begun_s = self.times_s[near] - self.places[near] / self.rate
        return float(np.median(begun_s)) if len(begun_s) else float("nan")


@dataclass(frozen=True)
class Levels:
    """A level in dB each `step_s` from the first sample on."""

    db: FloatArray
    step_s: float


def read_tape(data: bytes, rate: int = RATE) -> Heard:
    """A tape: again and again HEAD (when, how many) and so many float32.

    Raises
    ------
    TapeError
        It is empty.
    """
    pieces: list[NDArray[np.float32]] = []
    places, times_s, end, end_s, at = [], [], 0, None, 0
    while at + HEAD.size <= len(data):
        begun_ns, frames = HEAD.unpack_from(data, at)
        samples = np.frombuffer(data[at + HEAD.size : at + HEAD.size + 4 * frames], np.float32)
        pause_s = 0.0 if end_s is None else begun_ns / 1e9 - end_s
        if pause_s > BREAK_S:
            pieces.append(np.zeros(round(pause_s * rate), np.float32))
            end += len(pieces[-1])
        pieces.append(samples)
        places.append(end)
        times_s.append(begun_ns / 1e9)
        end, end_s, at = end + frames, times_s[-1] + frames / rate, at + HEAD.size + 4 * frames
    if not pieces:
        raise TapeError("the speaker has played nothing")
    return Heard(np.concatenate(pieces), np.array(places), np.array(times_s), rate)


def high_levels(samples: NDArray[np.floating], rate: int = RATE) -> Levels:
    """Above HIGH_HZ; a level is that of the 2 ms up to its end."""
    sections = scipy.signal.butter(4, HIGH_HZ, "highpass", fs=rate, output="sos")
    power = np.square(scipy.signal.sosfilt(sections, samples))
    return Levels(_mean_db(power, HIGH_WINDOW), STEP / rate)


def chord_levels(samples: NDArray[np.floating], frequency_hz: float, rate: int = RATE) -> Levels:
    """Of one partial; a level is that of the 43 ms around its time."""
    times = np.arange(-CHORD_WINDOW // 2, CHORD_WINDOW // 2) / rate
    kernel = np.hanning(CHORD_WINDOW) * np.exp(2j * np.pi * frequency_hz * times)
    tone = scipy.signal.oaconvolve(samples, kernel, mode="same")[::STEP]
    return Levels(10 * np.log10(np.square(np.abs(tone)) + 1e-12), STEP / rate)


def delays_s(levels: Levels, heard: Heard, gestures_s: FloatArray) -> FloatArray:
    """Seconds (n,) from each gesture until it is heard; NaN where it is not."""
    return np.array([onset_s(levels, heard.begun_s(at_s), at_s) for at_s in gestures_s])


def onset_s(levels: Levels, begun_s: float, gesture_s: float) -> float:
    """Seconds from a gesture until it is heard; NaN if it is not, or nothing can be said."""
    if not np.isfinite(begun_s):
        return float("nan")
    first = round((gesture_s - begun_s) / levels.step_s)
    before = levels.db[max(first - round(BEFORE_S / levels.step_s), 0) : max(first, 0)]
    low, high = (first + round(s / levels.step_s) for s in PLATEAU_S)
    if len(before) == 0 or high > len(levels.db):
        return float("nan")
    plateau = float(np.median(levels.db[low:high]))
    enough = plateau + ONSET_DB
    if enough < before.max() + CLEARLY_DB:
        return float("nan")
    return float(np.argmax(levels.db[first:high] >= enough)) * levels.step_s


def _mean_db(power: FloatArray, length: int) -> FloatArray:
    sums = np.concatenate([[0.0], np.cumsum(power)])
    ends = np.arange(0, len(power), STEP)
    starts = np.maximum(ends - length, 0)
    return 10 * np.log10((sums[ends] - sums[starts]) / length + 1e-12)
