"""A spectrogram as a loop: the playhead goes round it, and it morphs into each new spectrogram.

Runs on the synthesis thread. In: the frames of a spectrogram, whenever one is generated, and a
rate every hop. Out: one column of mel amplitudes per hop.

Columns are blended in amplitude. In decibels, a partial that only one of them has would be
inaudible half way, at the mean of its level and silence, and every morph would be a dip.
"""

from __future__ import annotations

import math

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.settings import Loop
from latent_resonance.voice.synthesis.loop_frames import LoopFrames, silent_frames
from latent_resonance.voice.synthesis.pitch_glide import PitchGlide
from latent_resonance.voice.synthesis.playhead import Playhead

INTERVAL_HOPS = 6  # of a morph, after which the interval between both loops is found again


class SpectrogramLoop:
    """The playhead and the morph.

    The morph runs linearly from the previous to the newest loop in `morph_s`. One that arrives
    earlier starts a new morph from where this one is: the frames that it would still have passed
    are computed as they are now, and kept.

    Parameters
    ----------
    fastest : frames per hop, the highest rate
    """

    def __init__(self, geometry: Geometry, settings: Loop, fastest: float) -> None:
        self.geometry = geometry
        self.glide = PitchGlide(geometry) if settings.morph == "glide" else None
        self.playhead = Playhead(geometry, settings.longest_rest_s)
        morph_hops = max(settings.morph_s / geometry.hop_s, 1.0)
        self.morph_per_hop = 1.0 / morph_hops
        self.n_kept = min(math.ceil(morph_hops * max(fastest, 1.0)) + 2, geometry.n_frames)
        self.reset()

    def reset(self) -> None:
        """Reset to silence, with the playhead at the start."""
        self.playhead.reset()
        self.previous = self.newest = silent_frames(self.geometry)
        self.kept = np.zeros((0, self.geometry.n_mels), np.float32)  # of previous, in its place
        self.kept_from = 0
        self.octaves = 0.0  # from previous to newest
        self.morph = 1.0  # 0: previous, 1: newest
        self.morphed = 0  # hops of the present morph

    def receive(self, frames: LoopFrames) -> None:
        """Start to morph into a new loop."""
        self._keep()
        self.newest = frames
        self.morph, self.morphed, self.octaves = 0.0, 0, 0.0

    def column(self, rate: float) -> FloatArray:
        """Amplitudes (n_mels,) at the playhead, which then moves by `rate` frames."""
        self.morph = min(1.0, self.morph + self.morph_per_hop)
        column = self._column(self.newest)
        if self.morph < 1.0:
            previous = self._previous_column()
            self._find_interval(previous, column)
            column = self._between(previous, column)
        self.playhead.advance(rate, self._power())
        return column

    def _find_interval(self, previous: FloatArray, newest: FloatArray) -> None:
        """Every INTERVAL_HOPS of a morph: both loops may change their notes within it."""
        if self.glide is not None and self.morphed % INTERVAL_HOPS == 0:
            self.octaves = self.glide.interval(previous, newest, near=self.octaves)
        self.morphed += 1

    def _keep(self) -> None:
        """Make the previous loop the one that sounds now, as far as the playhead can come."""
        places = (int(self.playhead.position) + np.arange(self.n_kept)) % self.geometry.n_frames
        power = self.newest.power.copy()
        power[places] = self._power()[places]
        kept = self._between(self._previous_frames(places), self.newest.amplitude[places])
        self.previous = LoopFrames(self.newest.amplitude, power)
        self.kept, self.kept_from = kept, int(places[0])

    def _between(self, previous: FloatArray, newest: FloatArray) -> FloatArray:
        """The frames (..., n_mels) on the way, where the morph is now."""
        if self.morph >= 1.0:
            return newest
        if self.glide is None or self.octaves == 0.0:
            return _blended(previous, newest, self.morph)
        return self.glide.between(previous, newest, self.morph, self.octaves)

    def _power(self) -> FloatArray:
        """(n_frames,) of the loop on the way."""
        if self.morph >= 1.0:
            return self.newest.power
        share = np.float32(self.morph)
        previous, newest = self.previous.power, self.newest.power
        power: FloatArray = previous * (1 - share) ** 2 + newest * share**2
        return power

    def _previous_column(self) -> FloatArray:
        offset = (int(self.playhead.position) - self.kept_from) % self.geometry.n_frames
        if offset + 1 >= len(self.kept):
            return self._column(self.previous)
        return self._interpolated(self.kept[offset], self.kept[offset + 1])

    def _previous_frames(self, places: np.ndarray) -> FloatArray:
        frames: FloatArray = self.previous.amplitude[places]
        offsets = (places - self.kept_from) % self.geometry.n_frames
        inside = offsets < len(self.kept)
        frames[inside] = self.kept[offsets[inside]]
        return frames

    def _column(self, frames: LoopFrames) -> FloatArray:
        left = int(self.playhead.position)
        right = (left + 1) % self.geometry.n_frames
        return self._interpolated(frames.amplitude[left], frames.amplitude[right])

    def _interpolated(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Between two frames, at the playhead."""
        return _blended(left, right, self.playhead.position % 1.0)


def _blended(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    """A at share 0, b at share 1."""
    blended: FloatArray = a + (b - a) * np.float32(share)
    return blended
