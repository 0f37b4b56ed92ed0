"""The last stages, in the time domain: leveller, band-pass, volume, loudness cap, limiter.

The band-pass changes the colour and not the loudness: what it takes away or adds, a gain makes up
for.

Runs on the synthesis thread, on blocks of any length and number of channels. All channels get the
same gains.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.loudness import MAX_DBTP, LoudnessCap
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.settings import BandPass as BandPassSettings
from latent_resonance.voice.synthesis.band_pass import BandPass
from latent_resonance.voice.synthesis.leveller import Leveller, MakeUpGain
from latent_resonance.voice.synthesis.limiter import Limiter


class Tone:
    """Leveller, band-pass with make-up gain, volume; then the loudness cap and the limiter.

    No setting switches the last two off.
    """

    def __init__(
        self,
        sample_rate: int,
        *,
        band_pass: BandPassSettings,
        loudness_lufs: float,
        expected_db: float,
        volume_db: float,
        ceiling_dbtp: float,
    ) -> None:
        self.leveller = Leveller(sample_rate, loudness_lufs, expected_db)
        self.band_pass = BandPass(sample_rate, band_pass)
        self.make_up = MakeUpGain(sample_rate)
        self.volume = np.float32(10.0 ** (volume_db / 20.0))
        self.cap = LoudnessCap(sample_rate)
        self.limiter = Limiter(min(ceiling_dbtp, MAX_DBTP))

    def reset(self) -> None:
        """Reset every stage."""
        for stage in (self.leveller, self.band_pass, self.make_up, self.cap, self.limiter):
            stage.reset()

    def process(self, block: FloatArray, openness: float) -> FloatArray:
        """Pass one block through every stage, float32."""
        levelled = self.leveller.process(block)
        filtered = self.band_pass.process(levelled, openness)
        filtered = self.make_up.process(filtered, self.leveller.energy)
        return self.limiter.process(self.cap.process(filtered * self.volume))
