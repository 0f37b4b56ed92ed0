"""Reference tone for setting the amplifier's level. Runs on the synthesis thread."""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.channels import count_channels
from latent_resonance.audio.loudness import db_to_amplitude
from latent_resonance.audio.spectrogram import FloatArray

FREQUENCY_HZ = 440.0
LEVEL_DB = -23.0  # RMS, dBFS: about the instrument's level
RAMP_S = 0.1


class ReferenceTone:
    """Cross-fade between the output and the tone; its phase is continuous, so nothing clicks."""

    def __init__(self, sample_rate: int, hop_length: int) -> None:
        self.step = 2.0 * np.pi * FREQUENCY_HZ / sample_rate
        self.ramp_per_hop = hop_length / (RAMP_S * sample_rate)
        self.peak = np.float32(db_to_amplitude(LEVEL_DB) * np.sqrt(2.0))
        self.mix = self.phase = 0.0

    def process(self, block: FloatArray, gain_db: float, *, enabled: bool) -> FloatArray:
        """The block, the tone at `gain_db`, or a mix of both during a cross-fade.

        Several channels share the tone's power.
        """
        previous_mix = self.mix
        change = self.ramp_per_hop if enabled else -self.ramp_per_hop
        self.mix = min(max(previous_mix + change, 0.0), 1.0)
        if previous_mix == self.mix == 0.0:
            return block
        n = block.shape[-1]
        steps = np.arange(1, n + 1)
        tone = np.sin(self.phase + self.step * steps) * self.peak
        tone *= np.float32(db_to_amplitude(gain_db) / np.sqrt(count_channels(block)))
        self.phase = (self.phase + self.step * n) % (2.0 * np.pi)
        mix = (previous_mix + (self.mix - previous_mix) * steps / n).astype(np.float32)
        mixed: FloatArray = block + (tone.astype(np.float32) - block) * mix
        return mixed
