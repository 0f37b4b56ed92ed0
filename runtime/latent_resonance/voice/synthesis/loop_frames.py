"""A generated spectrogram as the loop plays it: amplitudes, without gaps, evened out in level.

Pure. A generator gives some of its spectrograms 15 dB more level than others, by chance, and some
passages of a loop 20 dB more than others. A leveller behind the sound would follow too late, or
pump; here the frames that come are known before they are played.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.moving_window import moving_mean
from latent_resonance.audio.spectrogram import FloatArray, Geometry, pixels_to_amplitude
from latent_resonance.voice.synthesis.frame_power import frame_power
from latent_resonance.voice.synthesis.loop_span import LoopSpan, whole_loop
from latent_resonance.voice.synthesis.rests import bridge_rests, rest_power

MAX_EVENING_DB = 20.0
RATIO = 8.0  # of differences in level, in dB, to what is left of them
SWELL_S = 0.12  # the shortest swell that is evened out; notes keep their attacks


class LoopFrames(NamedTuple):
    """A loop, or a part of one; nothing changes it."""

    amplitude: FloatArray  # (span.length, n_mels), frames first: a frame is contiguous
    power: FloatArray  # (span.length,), K-weighted; 0 for what was a rest before it was evened out
    span: LoopSpan

    def row(self, place: int) -> int:
        """Row of a frame of the loop; the last row for frames that are not there."""
        return min((place - self.span.first) % self.span.n_frames, self.span.length - 1)

    def frames(self, places: NDArray[np.intp]) -> FloatArray:
        """Amplitudes (n, n_mels) of frames of the loop; the last one for those not there."""
        rows = (places - self.span.first) % self.span.n_frames
        frames: FloatArray = self.amplitude[np.minimum(rows, self.span.length - 1)]
        return frames

    def loop_power(self) -> FloatArray:
        """Power (n_frames,) of the whole loop; frames that are not there are as loud as any."""
        if self.span.is_whole:
            return self.power
        power = np.full(self.span.n_frames, self.power.max(), np.float32)
        power[(self.span.first + np.arange(self.span.length)) % self.span.n_frames] = self.power
        return power


def silent_frames(geometry: Geometry) -> LoopFrames:
    """A loop without sound."""
    shape = (geometry.n_frames, geometry.n_mels)
    power = np.zeros(geometry.n_frames, np.float32)
    return LoopFrames(np.zeros(shape, np.float32), power, whole_loop(geometry.n_frames))


def frames_of(
    spectrogram: FloatArray,
    geometry: Geometry,
    level_db: float | None = None,
    span: LoopSpan | None = None,
    longest_rest: float = math.inf,
) -> LoopFrames:
    """The loop, or the part of it, that a spectrogram (n_mels, frames) in [-1, 1] holds.

    Parameters
    ----------
    level_db : loudness around which its frames are evened out; None leaves them as they are
    span : which frames these are; of a part, the outermost `evening_margin` are not returned
    longest_rest : frames; if the frames are evened out, longer rests are bridged
    """
    span = span or whole_loop(geometry.n_frames)
    amplitude = pixels_to_amplitude(np.ascontiguousarray(spectrogram.T), geometry.range_db)
    power = frame_power(amplitude, geometry)
    if level_db is not None:
        rests = power < rest_power(level_db)
        if bridge_rests(amplitude, rests, longest_rest):
            power = frame_power(amplitude, geometry)
        _even_out(amplitude, power, level_db, geometry, "wrap" if span.is_whole else "nearest")
        power[rests] = 0.0
    if span.is_whole:
        return LoopFrames(amplitude, power, span)
    inner = slice(evening_margin(geometry), -evening_margin(geometry))
    return LoopFrames(amplitude[inner], power[inner], span.within(evening_margin(geometry)))


def cuts_a_rest(spectrogram: FloatArray, geometry: Geometry, level_db: float) -> bool:
    """Whether a part of a loop starts or ends in a rest, or `frames_of` returns one that does."""
    ends = [0, -evening_margin(geometry) - 1, -1]
    amplitude = pixels_to_amplitude(spectrogram[:, ends].T, geometry.range_db)
    return bool((frame_power(amplitude, geometry) < rest_power(level_db)).any())


def evening_margin(geometry: Geometry) -> int:
    """Frames before and after one on which its gain depends."""
    return 2 * _half_swell(geometry)


def _half_swell(geometry: Geometry) -> int:
    return round(SWELL_S / geometry.hop_s / 2)


def _even_out(
    amplitude: FloatArray,
    power: FloatArray,
    level_db: float,
    geometry: Geometry,
    ends: Literal["wrap", "nearest"],
) -> None:
    """Even frames (n, n_mels) out, and their power (n,), in place."""
    gain = _evening_gain(power, level_db, geometry, ends)
    amplitude *= gain[:, None]
    power *= np.square(gain)


def _evening_gain(
    power: FloatArray, level_db: float, geometry: Geometry, ends: Literal["wrap", "nearest"]
) -> FloatArray:
    """Gain of each frame: towards `level_db`, until a RATIO-th of the difference is left.

    It looks ahead as far as back, so that it does not pump.
    """
    frames = 2 * _half_swell(geometry) + 1
    swell = moving_mean(moving_mean(power, frames, ends), frames, ends)
    apart_db = level_db - 10.0 * np.log10(np.maximum(swell, 1e-12))
    gain_db = np.clip(apart_db * (1.0 - 1.0 / RATIO), -MAX_EVENING_DB, MAX_EVENING_DB)
    gain: FloatArray = (10.0 ** (gain_db / 20.0)).astype(np.float32)
    return gain
