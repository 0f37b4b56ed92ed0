"""A tone by which somebody on a ladder sets an amplifier. On the synthesis thread."""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.loudness import amplitude
from latent_resonance.audio.spectrogram import FloatArray

FREQUENCY_HZ = 440.0
LEVEL_DB = -23.0  # RMS, dBFS: about as loud as the instrument
RAMP_S = 0.1


class ReferenceTone:
    """Fades over what plays, and back; the phase goes on, so nothing clicks."""

    def __init__(self, sample_rate: int, hop_length: int) -> None:
        self.step = 2.0 * np.pi * FREQUENCY_HZ / sample_rate
        self.ramp_per_hop = hop_length / (RAMP_S * sample_rate)
        self.peak = np.float32(amplitude(LEVEL_DB) * np.sqrt(2.0))
        self.share = self.phase = 0.0

    def over(self, block: FloatArray, gain_db: float, *, target: bool) -> FloatArray:
        """The block, or the tone at gain_db, or what lies between; shares that sum to one."""
        before = self.share
        change = self.ramp_per_hop if target else -self.ramp_per_hop
        self.share = min(max(before + change, 0.0), 1.0)
        if before == self.share == 0.0:
            return block
        steps = np.arange(1, len(block) + 1)
        tone = np.sin(self.phase + self.step * steps) * self.peak * np.float32(amplitude(gain_db))
        self.phase = (self.phase + self.step * len(block)) % (2.0 * np.pi)
        share = (before + (self.share - before) * steps / len(block)).astype(np.float32)
        return block + (tone.astype(np.float32) - block) * share
