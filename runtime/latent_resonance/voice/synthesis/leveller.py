"""The leveller: brings any pack slowly to the target loudness; and the gain after a filter.

Runs on the synthesis thread, on blocks of any length and number of channels.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.fades import apply_ramp, approach
from latent_resonance.audio.loudness import (
    MOMENTARY_S,
    KWeighting,
    LoudnessWindow,
    db_to_amplitude,
    lufs,
)
from latent_resonance.audio.spectrogram import FloatArray


class Leveller:
    """Adjusts the loudness slowly to a target; holds its gain during silence.

    Parameters
    ----------
    loudness_lufs : target over 400 ms of all channels together, ITU-R BS.1770-4
    expected_db : RMS of the pack according to its file, dBFS; sets the initial gain

    Attributes
    ----------
    energy : K-weighted, of the newest block with its gain
    """

    GATE_LUFS = -65.0
    GAIN_DB = (-40.0, 24.0)
    RISE_S, FALL_S = 2.5, 0.35

    def __init__(self, sample_rate: int, loudness_lufs: float, expected_db: float) -> None:
        self.sample_rate = sample_rate
        self.loudness_lufs = loudness_lufs
        self.initial_gain_db = float(np.clip(loudness_lufs - expected_db, *self.GAIN_DB))
        self.k_weighting = KWeighting(sample_rate)
        self.window = LoudnessWindow(sample_rate, MOMENTARY_S)
        self.reset()

    def reset(self) -> None:
        """Reset to the initial gain."""
        self.gain_db, self.energy = self.initial_gain_db, 0.0
        self.k_weighting.reset()
        self.window.reset()

    def follow(self, before: Leveller) -> None:
        """Take over the gain of another leveller of the same sound, for this one's target."""
        self.gain_db = before.gain_db + self.loudness_lufs - before.loudness_lufs

    def process(self, block: FloatArray) -> FloatArray:
        """Apply the gain, which ramps within the block."""
        n, before_db = block.shape[-1], self.gain_db
        energy = self.k_weighting.energy(block)
        if lufs(energy / n) > self.GATE_LUFS:
            loudness_lufs = self.window.add(energy, n)
            lowest_db, highest_db = self.GAIN_DB
            target_db = min(max(self.loudness_lufs - loudness_lufs, lowest_db), highest_db)
            time_constant_s = self.FALL_S if target_db < before_db else self.RISE_S
            self.gain_db = approach(before_db, target_db, n / self.sample_rate, time_constant_s)
        self.energy = energy * db_to_amplitude(self.gain_db) ** 2
        return apply_ramp(block, db_to_amplitude(before_db), db_to_amplitude(self.gain_db))


class MakeUpGain:
    """Gives a filtered sound the loudness that it had before the filter.

    The gain follows within some 0.1 s, is within MAX_DB, and rests while there is no sound.
    """

    MAX_DB = 20.0
    WINDOW_S = 0.1
    FOLLOW_S = 0.03
    GATE_LUFS = -65.0

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.k_weighting = KWeighting(sample_rate)
        self.before = LoudnessWindow(sample_rate, self.WINDOW_S)
        self.after = LoudnessWindow(sample_rate, self.WINDOW_S)
        self.reset()

    def reset(self) -> None:
        """Return to silence and no gain."""
        self.gain_db = 0.0
        for stage in (self.k_weighting, self.before, self.after):
            stage.reset()

    def process(self, block: FloatArray, energy_before: float) -> FloatArray:
        """Apply the gain, which ramps within the block.

        energy_before : K-weighted, of the block before the filter
        """
        n, before_db = block.shape[-1], self.gain_db
        after_lufs = self.after.add(self.k_weighting.energy(block), n)
        apart_db = self.before.add(energy_before, n) - after_lufs
        if after_lufs > self.GATE_LUFS:
            target_db = min(max(apart_db, -self.MAX_DB), self.MAX_DB)
            self.gain_db = approach(before_db, target_db, n / self.sample_rate, self.FOLLOW_S)
        return apply_ramp(block, db_to_amplitude(before_db), db_to_amplitude(self.gain_db))
