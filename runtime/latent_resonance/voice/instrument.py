"""The stages of the voice joined into two: one dreams pictures, one turns them into samples.

Neither knows of threads or clocks: `perform.py` runs each on a thread of its own,
`render.py` takes them in turn on a virtual clock, and both hear the same instrument.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.face_state import FeatureVector
from latent_resonance.pack import Pack
from latent_resonance.settings import Settings
from latent_resonance.spectrogram import FloatArray
from latent_resonance.voice.controls import ControlGlide
from latent_resonance.voice.generator import Networks
from latent_resonance.voice.griffin_lim import StreamingGriffinLim
from latent_resonance.voice.latent import Latent, LatentGlide
from latent_resonance.voice.loop import SpectrogramLoop
from latent_resonance.voice.texture import Texture
from latent_resonance.voice.tone import Tone

MOVED = 1e-3  # of z, in standard deviations: less cannot be heard, and is not dreamed again


class Dreamer:
    """Features to pictures: regressor, glide through the latent space, generator."""

    def __init__(self, pack: Pack, networks: Networks, settings: Settings, seed: int) -> None:
        self.networks = networks
        self.controls = ControlGlide(settings.controls)
        self.glide = LatentGlide(pack.anchors, settings.latent, seed)
        self.z: Latent = self.glide.base
        self.picture: FloatArray | None = None

    def step(self, features: FeatureVector, dt_s: float) -> FloatArray:
        """Moves z on by dt_s; returns the picture there: (n_mels, n_frames) in [-1, 1]."""
        controls = self.controls.step(features, dt_s)
        z = self.glide.step(self.networks.z_of(features), controls, dt_s)
        if self.picture is None or np.abs(z - self.z).max() > MOVED:
            self.z, self.picture = z, self.networks.spectrogram_of(z)
        return self.picture


class Synthesiser:
    """Pictures and features to samples, one hop at a time."""

    def __init__(self, pack: Pack, settings: Settings, seed: int) -> None:
        geometry = pack.geometry
        self.hop_s = geometry.hop_s
        self.controls = ControlGlide(settings.controls)
        self.loop = SpectrogramLoop(geometry, settings.loop.morph_s)
        self.texture = Texture(geometry, seed + 1)
        self.phase = StreamingGriffinLim(
            geometry,
            look_ahead=settings.phase.look_ahead,
            iterations=settings.phase.iterations,
            momentum=settings.phase.momentum,
            seed=seed + 2,
        )
        self.tone = Tone(
            geometry.sample_rate,
            level_db=settings.output.level_db,
            expected_db=pack.level_reference_db,
            volume_db=settings.output.volume_db,
            ceiling_db=settings.output.ceiling_db,
        )

    @property
    def latency_samples(self) -> int:
        """From the centre of a column at the playhead to its sample."""
        return self.phase.latency_samples + self.tone.limiter.delay

    def reset(self) -> None:
        """Every stage back to its beginning."""
        for stage in (self.controls, self.loop, self.texture, self.phase, self.tone):
            stage.reset()

    def receive(self, picture: FloatArray) -> None:
        """Begins to melt into a new picture (n_mels, n_frames)."""
        self.loop.receive(picture)

    def hop(self, features: FeatureVector) -> FloatArray:
        """The next hop_length samples, float32 within the ceiling."""
        controls = self.controls.step(features, self.hop_s)
        pixels = self.loop.column(controls.rate)
        magnitude = self.texture.step(pixels, controls)
        return self.tone.process(self.phase.push(magnitude), controls.cutoff_hz)
