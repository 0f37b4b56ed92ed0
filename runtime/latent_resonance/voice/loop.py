"""A spectrogram is a loop: the playhead goes round it, and new pictures melt into it.

Lives on the synthesis thread. In: pictures, whenever a dream is ready, and a rate each
hop. Out: one column of pixels a hop. Blending is done on pixels, that is in decibels.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.spectrogram import FloatArray, Geometry


class SpectrogramLoop:
    """The playhead and the morph.

    The morph runs linearly from what was shown to the newest picture in `morph_s`; a
    picture that comes before it has ended starts a new one from the blend reached.
    """

    def __init__(self, geometry: Geometry, morph_s: float) -> None:
        shape = (geometry.n_frames, geometry.n_mels)
        self.n_frames = geometry.n_frames
        self.morph_per_hop = geometry.hop_s / max(morph_s, geometry.hop_s)
        self.shown = np.full(shape, -1.0, np.float32)  # frames first: a column is contiguous
        self.coming = np.full(shape, -1.0, np.float32)
        self.position = 0.0  # frames
        self.morph = 1.0  # 0: shown, 1: coming

    def reset(self) -> None:
        """Back to silence at the loop's beginning."""
        self.shown.fill(-1.0)
        self.coming.fill(-1.0)
        self.position, self.morph = 0.0, 1.0

    def receive(self, picture: FloatArray) -> None:
        """Begins to melt into a picture (n_mels, n_frames) in [-1, 1]."""
        self.coming -= self.shown
        self.coming *= np.float32(self.morph)
        self.shown += self.coming
        self.coming[:] = picture.T
        self.morph = 0.0

    def column(self, rate: float) -> FloatArray:
        """Pixels (n_mels,) under the playhead, which then moves on by `rate` frames."""
        self.morph = min(1.0, self.morph + self.morph_per_hop)
        before = self._read(self.shown)
        pixels = before + (self._read(self.coming) - before) * np.float32(self.morph)
        self.position = (self.position + rate) % self.n_frames
        return pixels

    def _read(self, picture: FloatArray) -> FloatArray:
        """Linear interpolation between the two columns around the playhead."""
        frame = int(self.position)
        share = np.float32(self.position - frame)
        left, right = picture[frame], picture[(frame + 1) % self.n_frames]
        return left + (right - left) * share
