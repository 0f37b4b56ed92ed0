"""Plays an instrument hop by hop, and fades into another when there is one.

Lives on the synthesis thread. In: features, and what the machine can afford. Out: samples,
between two instruments too: neither a gap nor a pop.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.face_state import FeatureVector
from latent_resonance.voice.load_shedding import iterations_at
from latent_resonance.voice.synthesis.instrument import Instrument

CROSS_FADE_S = 0.4


class CrossFade:
    """The instrument that plays, and the one that fades.

    Attributes
    ----------
    coming : another instrument to play from the next hop on; set by another thread
    """

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.coming: Instrument | None = None
        self.leaving: Instrument | None = None
        self.gains: list[FloatArray] = []  # of the one that leaves

    def hop(self, features: FeatureVector, tier: int) -> FloatArray:
        """The next hop_length samples."""
        if self.leaving is None and self.coming is not None:
            self._exchange(self.coming)
        block = _play(self.instrument, features, tier)
        if self.leaving is not None:
            gain = self.gains.pop(0)
            # Gains that sum to one: what both keep below the ceiling, the mixture does.
            block = block + (_play(self.leaving, features, tier) - block) * gain
            self.leaving = self.leaving if self.gains else None
        return block

    def _exchange(self, coming: Instrument) -> None:
        self.leaving, self.instrument, self.coming = self.instrument, coming, None
        self.gains = falling(coming.pack.geometry, CROSS_FADE_S)


def _play(instrument: Instrument, features: FeatureVector, tier: int) -> FloatArray:
    return instrument.hop(features, iterations_at(tier, instrument.settings.phase.iterations))


def falling(geometry: Geometry, seconds: float) -> list[FloatArray]:
    """Gains from 1 to 0 along a raised cosine, hop by hop."""
    hops = max(1, -(-int(seconds * geometry.sample_rate) // geometry.hop_length))
    angle = np.linspace(0.0, np.pi / 2, hops * geometry.hop_length, dtype=np.float32)
    return list((np.cos(angle) ** 2).reshape(hops, geometry.hop_length))
