"""Mel levels of what is generated, comparable with and aligned to those of the sound.

Used by the plot of a render and by the voice's telemetry thread. In: generated columns, one a hop.
Out: levels like those of `StreamingMel`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import FloatArray, Geometry, hz_to_mel, mel_frequencies
from latent_resonance.audio.streaming_mel import levels_of

MAX_DELAY_HOPS = 64


class GeneratedColumn(NamedTuple):
    """A generated frame, and how it becomes sound.

    Attributes
    ----------
    amplitude : (n_mels,) in the bands of `geometry`; must not change afterwards
    gain : linear gain from there to the output, except for the band-pass; 0 is silence
    latency_samples : from the column's hop to its sound
    """

    amplitude: FloatArray
    gain: float
    latency_samples: int
    geometry: Geometry


class GeneratedMel:
    """Levels of generated columns, delayed until they are in the middle of a `StreamingMel`.

    Parameters
    ----------
    picture : geometry of the `StreamingMel`
    range_db : range below full scale, dB
    """

    def __init__(self, picture: Geometry, range_db: float) -> None:
        self.picture, self.range_db = picture, range_db
        self.recent: deque[GeneratedColumn] = deque(maxlen=MAX_DELAY_HOPS)

    def column(self, newest: Iterable[GeneratedColumn]) -> NDArray[np.uint8]:
        """Add a column or more; return (n_mels,) levels, dark while the output is silent."""
        self.recent.extend(newest)
        last = self.recent[-1]
        delay = delay_hops(last.latency_samples, self.picture)
        if delay >= len(self.recent):
            return np.zeros(self.picture.n_mels, np.uint8)
        delayed = self.recent[-1 - delay]._replace(gain=last.gain)
        return generated_levels(delayed, self.picture, self.range_db)


def delay_hops(latency_samples: int, geometry: Geometry) -> int:
    """Hops from a column to the `StreamingMel` whose window is centred on its sound."""
    return round((latency_samples + geometry.n_fft / 2) / geometry.hop_length) - 1


def generated_levels(
    column: GeneratedColumn, picture: Geometry, range_db: float
) -> NDArray[np.uint8]:
    """Levels of a column in the bands of a picture: (n_mels,), black (0) to full scale (255)."""
    power = np.square(column.amplitude * np.float32(column.gain))
    return levels_of(band_means(column.geometry, picture) @ power, range_db)


@lru_cache(maxsize=8)
def band_means(source: Geometry, target: Geometry) -> FloatArray:
    """Matrix from power in the mel bands of one geometry to those of another: (target, source).

    Triangles over the mel scale, each row summing to 1; target bands outside the source are 0.
    """
    centres, bands = (hz_to_mel(mel_frequencies(each)[1:-1]) for each in (source, target))
    width = max(_spacing(centres), _spacing(bands))
    weights = np.maximum(1.0 - np.abs(bands[:, None] - centres) / width, 0.0)
    total = weights.sum(axis=1, keepdims=True)
    means: FloatArray = (weights / np.where(total > 0.0, total, 1.0)).astype(np.float32)
    return means


def _spacing(centres: NDArray[np.float64]) -> float:
    return float(centres[1] - centres[0])
