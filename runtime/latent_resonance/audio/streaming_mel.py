"""Mel spectrogram of the output, one column at a time.

Used by the plot of a render and by the voice's telemetry thread. In: samples, a hop or more at a
time. Out: one column each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    mel_power,
    normalise_db,
    power_to_db,
    window,
)


class StreamingMel:
    """Mel spectrum of the newest n_fft samples.

    Parameters
    ----------
    range_db : range below full scale, dB; the bottom of it and below is black
    """

    def __init__(self, geometry: Geometry, range_db: float) -> None:
        self.geometry, self.range_db = geometry, range_db
        self.recent = np.zeros(geometry.n_fft, np.float32)

    def column(self, samples: FloatArray) -> NDArray[np.uint8]:
        """Add samples; return (n_mels,) from black (0) to full scale (255), low bands first."""
        self.recent = np.concatenate([self.recent[len(samples) :], samples])
        spectrum = np.fft.rfft(self.recent * window(self.geometry)).astype(np.complex64, copy=False)
        return levels_of(mel_power(spectrum, self.geometry), self.range_db)


def levels_of(power: FloatArray, range_db: float) -> NDArray[np.uint8]:
    """Power to levels, from range_db below full scale (0) to full scale (255): same shape."""
    pixels = normalise_db(power_to_db(power, range_db), range_db)
    return (255 * (pixels + 1) / 2).astype(np.uint8)
