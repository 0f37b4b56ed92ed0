"""What is measured, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from latent_resonance.audio.spectrogram import (
    FloatArray,
    Geometry,
    amplitude_of_pixels,
    magnitude_scale,
    mel_interpolation,
)
from latent_resonance.config.settings import Settings
from latent_resonance.pack import Pack, find_pack, open_pack
from latent_resonance.voice.synthesis.networks import Networks, open_networks

N_PICTURES = 3


@dataclass(frozen=True)
class Subject:
    """The instrument under some settings.

    Attributes
    ----------
    seconds : how long a measurement goes on, at most
    clip : a film of a face; None for a drawn one
    """

    settings: Settings
    seconds: float
    clip: Path | None = None

    @property
    def long_s(self) -> float:
        """For percentiles of what takes milliseconds: every single time is kept."""
        return min(self.seconds, 60.0)

    @property
    def short_s(self) -> float:
        """For the median of what takes milliseconds."""
        return min(self.seconds, 1.0)

    @cached_property
    def pack(self) -> Pack:
        """The pack that the settings name.

        Raises
        ------
        PackError
            It cannot be played.
        """
        return open_pack(find_pack(self.settings.pack))

    @cached_property
    def networks(self) -> Networks:
        """Its networks, as the settings run them."""
        return open_networks(self.pack, self.settings.inference)

    @cached_property
    def pictures(self) -> list[FloatArray]:
        """What the pack dreams at some random points, each (n_mels, n_frames)."""
        points = np.random.default_rng(0).standard_normal((N_PICTURES, self.pack.latent_dim))
        return [self.networks.spectrogram_of(z) for z in points.astype(np.float32)]


def magnitude_of(picture: FloatArray, geometry: Geometry) -> FloatArray:
    """What the voice makes of a picture: (n_mels, n_frames) -> (n_bins, n_frames)."""
    amplitude = mel_interpolation(geometry) @ amplitude_of_pixels(picture, geometry.range_db)
    return amplitude / float(magnitude_scale(geometry))
