"""Play an instrument hop by hop, and cross-fade when it is replaced by another.

Runs on the synthesis thread. In: the instrument to play, features, and the tier that the machine
can afford. Out: samples without gap or click, between two instruments too.
"""

from __future__ import annotations

from latent_resonance.audio.channels import count_channels, spread
from latent_resonance.audio.fades import fade_out_gains
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.face_state import FeatureVector
from latent_resonance.voice.load_shedding import iterations_at
from latent_resonance.voice.synthesis.instrument import Instrument

CROSS_FADE_S = 0.4


class CrossFade:
    """The instrument that plays, and the previous one while it fades out."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.previous: Instrument | None = None
        self.fade_out: list[FloatArray] = []  # gains of the previous one, hop by hop

    def hop(
        self,
        instrument: Instrument,
        features: FeatureVector,
        tier: int,
        device_channels: int = 1,
    ) -> FloatArray:
        """The next hop of an instrument: (hop_length,), or (n_channels, hop_length).

        Another instrument than before starts a cross-fade, after one that is still running.
        """
        if self.previous is None and instrument is not self.instrument:
            self.previous, self.instrument = self.instrument, instrument
            self.fade_out = fade_out_gains(instrument.pack.geometry, CROSS_FADE_S)
        block = _play(self.instrument, features, tier, device_channels)
        if self.previous is not None:
            gain = self.fade_out.pop(0)
            previous = _play(self.previous, features, tier, device_channels)
            # The gains sum to one: if both are below the ceiling, so is the mixture.
            block = block + (spread(previous, count_channels(block)) - block) * gain
            self.previous = self.previous if self.fade_out else None
        return block


def _play(
    instrument: Instrument, features: FeatureVector, tier: int, device_channels: int
) -> FloatArray:
    iterations = iterations_at(tier, instrument.settings.phase.iterations)
    return instrument.hop(features, iterations, device_channels)
