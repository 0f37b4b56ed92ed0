"""A spectrogram is a loop: the playhead goes round it, and new pictures melt into it.

Lives on the synthesis thread. In: pictures, whenever a dream is ready, and a rate each
hop. Out: one column of pixels a hop.

Two pictures are blended in amplitude: in decibels a partial of one of them would be gone
half way, at the mean of itself and silence, and each change of sound would be a dip.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    amplitude_of_pixels,
    pixels_of_amplitude,
)


class SpectrogramLoop:
    """The playhead and the morph.

    The morph runs linearly from what was shown to the newest picture in `morph_s`; a
    picture that comes before it has ended starts a new one from the blend reached.
    """

    def __init__(self, geometry: Geometry, morph_s: float) -> None:
        shape = (geometry.n_frames, geometry.n_mels)
        self.range_db = geometry.range_db
        self.silence = amplitude_of_pixels(np.float32(-1.0), geometry.range_db)
        self.n_frames = geometry.n_frames
        self.morph_per_hop = geometry.hop_s / max(morph_s, geometry.hop_s)
        # amplitudes, frames first: a column is contiguous
        self.shown = np.full(shape, self.silence, np.float32)
        self.coming = self.shown.copy()
        self.position = 0.0  # frames
        self.morph = 1.0  # 0: shown, 1: coming

    def reset(self) -> None:
        """Back to silence at the loop's beginning."""
        self.shown.fill(self.silence)
        self.coming.fill(self.silence)
        self.position, self.morph = 0.0, 1.0

    def receive(self, picture: FloatArray) -> None:
        """Begins to melt into a picture (n_mels, n_frames) in [-1, 1]."""
        self.coming -= self.shown
        self.coming *= np.float32(self.morph)
        self.shown += self.coming
        self.coming[:] = amplitude_of_pixels(picture, self.range_db).T
        self.morph = 0.0

    def column(self, rate: float) -> FloatArray:
        """Pixels (n_mels,) under the playhead, which then moves on by `rate` frames."""
        self.morph = min(1.0, self.morph + self.morph_per_hop)
        before = self._read(self.shown)
        amplitude = before + (self._read(self.coming) - before) * np.float32(self.morph)
        self.position = (self.position + rate) % self.n_frames
        return pixels_of_amplitude(amplitude, self.range_db)

    def _read(self, picture: FloatArray) -> FloatArray:
        """Linear interpolation between the two columns around the playhead."""
        frame = int(self.position)
        share = np.float32(self.position - frame)
        left, right = picture[frame], picture[(frame + 1) % self.n_frames]
        return left + (right - left) * share
