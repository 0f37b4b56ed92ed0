"""What the bench measures, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.settings import Settings
from latent_resonance.pack import Pack, find_pack, open_pack
from latent_resonance.voice.synthesis.networks import Networks, load_networks

N_SPECTROGRAMS = 3


@dataclass(frozen=True)
class Context:
    """Settings, pack and duration of the measurements.

    Attributes
    ----------
    seconds : longest duration of a measurement
    clip : video of a face; None for the synthetic face
    """

    settings: Settings
    seconds: float
    clip: Path | None = None

    @property
    def long_s(self) -> float:
        """Duration for percentiles of calls that take milliseconds; every time is kept."""
        return min(self.seconds, 60.0)

    @property
    def short_s(self) -> float:
        """Duration for the median of calls that take milliseconds."""
        return min(self.seconds, 1.0)

    @cached_property
    def pack(self) -> Pack:
        """The pack named in the settings.

        Raises
        ------
        PackError
            It cannot be played.
        """
        return open_pack(find_pack(self.settings.pack))

    @cached_property
    def networks(self) -> Networks:
        """The pack's networks with the settings' inference options."""
        return load_networks(self.pack, self.settings.inference)

    @cached_property
    def spectrograms(self) -> list[FloatArray]:
        """The pack's spectrograms at a few random z, each (n_mels, n_frames)."""
        points = np.random.default_rng(0).standard_normal((N_SPECTROGRAMS, self.pack.latent_dim))
        return [self.networks.spectrogram_of(z) for z in points.astype(np.float32)]
