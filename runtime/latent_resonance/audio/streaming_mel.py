"""What was played, as columns of a mel spectrogram. Never what was planned, and never who played.

Used by the picture of a take and by the voice's telling thread. In: samples, a hop or more at a
time. Out: one column each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    magnitude_scale,
    mel_filterbank,
    normalise_db,
    power_to_db,
    window,
)


class StreamingMel:
    """The newest n_fft samples, looked at whenever some are added.

    Parameters
    ----------
    range_db : decibels below full scale that are black
    """

    def __init__(self, geometry: Geometry, range_db: float) -> None:
        self.geometry, self.range_db = geometry, range_db
        self.recent = np.zeros(geometry.n_fft, np.float32)

    def column(self, samples: FloatArray) -> NDArray[np.uint8]:
        """(n_mels,) from black (0) to full scale (255), low bands first."""
        self.recent = np.concatenate([self.recent[len(samples) :], samples])
        spectrum = np.fft.rfft(self.recent * window(self.geometry))
        power = np.square(np.abs(spectrum) * magnitude_scale(self.geometry)).astype(np.float32)
        level_db = power_to_db(mel_filterbank(self.geometry) @ power, self.range_db)
        return (255 * (normalise_db(level_db, self.range_db) + 1) / 2).astype(np.uint8)
