"""Lays a sound that is far shorter than a loop out into one: repeated, or held. Pure.

`repeat` keeps its attack: copies at uneven distances, each a little lower or higher, softer or
louder. `hold` keeps its timbre: short grains of it, at random places, overlap (Roads 2001,
"Microsound"). Both are circular, so that the loop closes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
MIN_S = 0.02  # below, a sound is a click
SILENCE_DB = 50.0  # below its peak, the ends of a sound are cut off
DISTANCE = 1.15  # of two copies, in lengths of the sound
JITTER = 0.15  # of the distance
DETUNE_SEMITONES = 0.5
SOFTER_DB = 6.0
GRAIN_S = 0.12
OVERLAP = 4  # grains that sound at a time
MAX_GAIN = 4.0  # of a grain from the sound's decay


def trimmed(audio: FloatArray) -> FloatArray:
    """The sound (n,) without the silence around it; (0,) if it is all silence."""
    loud = np.flatnonzero(np.abs(audio) > np.abs(audio).max(initial=0) * 10 ** (-SILENCE_DB / 20))
    return audio[loud[0] : loud[-1] + 1] if len(loud) else audio[:0]


def repeat(audio: FloatArray, loop_length: int, rng: np.random.Generator) -> FloatArray:
    """(n,) -> (loop_length,): varied copies of the whole sound."""
    n = max(round(loop_length / (DISTANCE * len(audio))), 2)
    distance = loop_length / n
    starts = ((np.arange(n) + rng.uniform(-JITTER, JITTER, n)) * distance).astype(int)
    ratios = 2 ** (rng.uniform(-DETUNE_SEMITONES, DETUNE_SEMITONES, n) / 12)
    gains = 10 ** (-rng.uniform(0, SOFTER_DB, n) / 20)
    copies = (g * _resampled(audio, r) for g, r in zip(gains, ratios, strict=True))
    return _overlap_add(starts, copies, loop_length)


def hold(
    audio: FloatArray, loop_length: int, sample_rate: int, rng: np.random.Generator
) -> FloatArray:
    """(n,) -> (loop_length,): grains of equal power from random places of the sound."""
    size = min(int(GRAIN_S * sample_rate), len(audio))
    n = max(round(OVERLAP * loop_length / size), 1)
    shape = np.hanning(size + 2)[1:-1]
    places = rng.integers(0, len(audio) - size + 1, n)
    power = [float(np.square(audio[at : at + size]).mean()) for at in places]
    target = float(np.sqrt(max(power)))
    gains = np.minimum(target / np.sqrt(np.maximum(power, 1e-12)), MAX_GAIN)
    grains = (g * shape * audio[at : at + size] for g, at in zip(gains, places, strict=True))
    return _overlap_add((np.arange(n) * loop_length / n).astype(int), grains, loop_length)


def _resampled(audio: FloatArray, ratio: float) -> NDArray[np.float64]:
    """Played `ratio` times as fast, by linear interpolation: enough for half a semitone."""
    places = np.arange(int(len(audio) / ratio)) * ratio
    return np.asarray(np.interp(places, np.arange(len(audio)), audio), np.float64)


def _overlap_add(
    starts: NDArray[np.intp], parts: Iterable[NDArray[np.float64]], loop_length: int
) -> FloatArray:
    loop = np.zeros(loop_length)
    for start, part in zip(starts, parts, strict=True):
        np.add.at(loop, (start + np.arange(len(part))) % loop_length, part)
    return loop.astype(np.float32)
