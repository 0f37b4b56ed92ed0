"""A spectrogram as a loop: the playhead goes round it, and it morphs into each new spectrogram.

Runs on the synthesis thread. In: spectrograms, whenever one is generated, and a rate every hop.
Out: one frame per hop.

Spectrograms are blended in amplitude. In decibels, a partial that only one of them has would be
inaudible half way, at the mean of its level and silence, and every morph would be a dip.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    amplitude_to_pixels,
    pixels_to_amplitude,
)


class SpectrogramLoop:
    """The playhead and the morph.

    The morph runs linearly from the previous to the newest spectrogram in `morph_s`; a
    spectrogram that arrives earlier starts a new one from the blend reached.
    """

    def __init__(self, geometry: Geometry, morph_s: float) -> None:
        shape = (geometry.n_frames, geometry.n_mels)
        self.range_db = geometry.range_db
        self.silence = pixels_to_amplitude(np.array(-1.0, np.float32), geometry.range_db)
        self.n_frames = geometry.n_frames
        self.morph_per_hop = geometry.hop_s / max(morph_s, geometry.hop_s)
        # amplitudes, frames first: a frame is contiguous
        self.previous = np.full(shape, self.silence, np.float32)
        self.newest = self.previous.copy()
        self.position = 0.0  # frames
        self.morph = 1.0  # 0: previous, 1: newest

    def reset(self) -> None:
        """Reset to silence, with the playhead at the start."""
        self.previous.fill(self.silence)
        self.newest.fill(self.silence)
        self.position, self.morph = 0.0, 1.0

    def receive(self, spectrogram: FloatArray) -> None:
        """Start to morph into a spectrogram (n_mels, n_frames) in [-1, 1]."""
        self.newest -= self.previous
        self.newest *= np.float32(self.morph)
        self.previous += self.newest
        self.newest[:] = pixels_to_amplitude(spectrogram, self.range_db).T
        self.morph = 0.0

    def column(self, rate: float) -> FloatArray:
        """Pixels (n_mels,) at the playhead, which then moves by `rate` frames."""
        self.morph = min(1.0, self.morph + self.morph_per_hop)
        previous = self._read(self.previous)
        amplitude = previous + (self._read(self.newest) - previous) * np.float32(self.morph)
        self.position = (self.position + rate) % self.n_frames
        return amplitude_to_pixels(amplitude, self.range_db)

    def _read(self, frames: FloatArray) -> FloatArray:
        """Interpolate linearly between the two frames around the playhead."""
        frame = int(self.position)
        share = np.float32(self.position - frame)
        left, right = frames[frame], frames[(frame + 1) % self.n_frames]
        interpolated: FloatArray = left + (right - left) * share
        return interpolated
