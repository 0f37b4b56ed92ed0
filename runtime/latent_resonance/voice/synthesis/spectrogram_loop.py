"""A spectrogram as a loop: the playhead goes round it, and it morphs into each new spectrogram.

Runs on the synthesis thread. In: the frames of a spectrogram, whenever one is generated, and a
rate every hop. Out: one column of mel amplitudes per hop.

Columns are blended in amplitude. In decibels, a partial that only one of them has would be
inaudible half way, at the mean of its level and silence, and every morph would be a dip. What a
blend of different partials lacks in power, a gain makes up for.
"""

from __future__ import annotations

import math

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.settings import Loop
from latent_resonance.voice.synthesis.frame_power import power_between, with_level_between
from latent_resonance.voice.synthesis.loop_frames import LoopFrames, silent_frames
from latent_resonance.voice.synthesis.pitch_glide import PitchGlide
from latent_resonance.voice.synthesis.playhead import Playhead
from latent_resonance.voice.synthesis.rests import rest_power

SPARE_RATE = 1.0  # frames per hop by which the rate may rise within a morph
INTERVAL_HOPS = 6  # of a morph, after which the interval between both loops is found again


class SpectrogramLoop:
    """The playhead and the morph.

    The morph runs linearly from the previous to the newest loop in `morph_s`. One that arrives
    earlier starts a new morph from where this one is: the frames that it would still have passed
    are computed as they are now, and kept.

    Parameters
    ----------
    level_db : loudness around which the frames are evened out; None if they are not
    """

    def __init__(self, geometry: Geometry, settings: Loop, level_db: float | None = None) -> None:
        self.geometry = geometry
        self.glide = PitchGlide(geometry) if settings.morph == "glide" else None
        rest = None if level_db is None else rest_power(level_db)
        self.playhead = Playhead(geometry, settings.longest_rest_s, rest)
        self.morph_hops = max(settings.morph_s / geometry.hop_s, 1.0)
        self.morph_per_hop = 1.0 / self.morph_hops
        self.reset()

    def reset(self) -> None:
        """Reset to silence, with the playhead at the start."""
        self.playhead.reset()
        self.previous = self.newest = silent_frames(self.geometry)
        self.previous_power = self.newest_power = self.newest.loop_power()
        self.kept = np.zeros((0, self.geometry.n_mels), np.float32)  # of previous, in its place
        self.kept_from = 0
        self.octaves = 0.0  # from previous to newest
        self.morph = 1.0  # 0: previous, 1: newest
        self.morphed = 0  # hops of the present morph

    def receive(self, frames: LoopFrames) -> None:
        """Start to morph into a new loop."""
        self._keep()
        self.newest, self.newest_power = frames, frames.loop_power()
        self.morph, self.morphed, self.octaves = 0.0, 0, 0.0

    def complete(self, frames: LoopFrames) -> None:
        """Take the whole of the loop of which a part is played: no new morph."""
        self.newest, self.newest_power = frames, frames.loop_power()

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

    def frames_in(self, hops: float) -> float:
        """How far the playhead may come in a number of hops, frames."""
        return hops * (self.playhead.rate + SPARE_RATE)

    def _find_interval(self, previous: FloatArray, newest: FloatArray) -> None:
        """Every INTERVAL_HOPS of a morph: both loops may change their notes within it."""
        if self.glide is not None and self.morphed % INTERVAL_HOPS == 0:
            self.octaves = self.glide.interval(previous, newest, near=self.octaves)
        self.morphed += 1

    def _keep(self) -> None:
        """Make the previous loop the one that sounds now, as far as the playhead can come."""
        n = min(math.ceil(self.frames_in(self.morph_hops)) + 2, self.geometry.n_frames)
        places = (int(self.playhead.position) + np.arange(n)) % self.geometry.n_frames
        power = self.newest_power.copy()
        power[places] = self._power()[places]
        self.kept = self._between(self._previous_frames(places), self.newest.frames(places))
        self.kept_from = int(places[0])
        self.previous, self.previous_power = self.newest, power

    def _between(self, previous: FloatArray, newest: FloatArray) -> FloatArray:
        """The frames (..., n_mels) on the way, where the morph is now."""
        if self.morph >= 1.0:
            return newest
        if self.glide is None or self.octaves == 0.0:
            between = _blended(previous, newest, self.morph)
        else:
            between = self.glide.between(previous, newest, self.morph, self.octaves)
        return with_level_between(between, previous, newest, self.morph, self.geometry)

    def _power(self) -> FloatArray:
        """(n_frames,) of the loop on the way."""
        if self.morph >= 1.0:
            return self.newest_power
        return power_between(self.previous_power, self.newest_power, self.morph)

    def _previous_column(self) -> FloatArray:
        offset = (int(self.playhead.position) - self.kept_from) % self.geometry.n_frames
        if offset + 1 >= len(self.kept):
            return self._column(self.previous)
        return self._interpolated(self.kept[offset], self.kept[offset + 1])

    def _previous_frames(self, places: np.ndarray) -> FloatArray:
        frames = self.previous.frames(places)
        offsets = (places - self.kept_from) % self.geometry.n_frames
        inside = offsets < len(self.kept)
        frames[inside] = self.kept[offsets[inside]]
        return frames

    def _column(self, frames: LoopFrames) -> FloatArray:
        left = int(self.playhead.position)
        rows = frames.amplitude
        return self._interpolated(rows[frames.row(left)], rows[frames.row(left + 1)])

    def _interpolated(self, left: FloatArray, right: FloatArray) -> FloatArray:
        """Between two frames, at the playhead."""
        return _blended(left, right, self.playhead.position % 1.0)


def _blended(a: FloatArray, b: FloatArray, share: float) -> FloatArray:
    """A at share 0, b at share 1."""
    blended: FloatArray = a + (b - a) * np.float32(share)
    return blended
