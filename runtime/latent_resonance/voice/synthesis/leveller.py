"""The leveller: brings any pack slowly to the target loudness.

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
        self.gain_db = self.initial_gain_db
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
            target_db = float(np.clip(self.loudness_lufs - loudness_lufs, *self.GAIN_DB))
            time_constant_s = self.FALL_S if target_db < before_db else self.RISE_S
            self.gain_db = approach(before_db, target_db, n / self.sample_rate, time_constant_s)
        return apply_ramp(block, db_to_amplitude(before_db), db_to_amplitude(self.gain_db))
