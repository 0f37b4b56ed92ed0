"""One playhead and one phase reconstruction: the source of a channel.

Runs on the synthesis thread. In: spectrograms, whenever one is generated, and the controls every
hop. Out: one hop of samples.
"""

from __future__ import annotations

from latent_resonance.audio.griffin_lim import StreamingGriffinLim
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.settings import Settings
from latent_resonance.voice.synthesis.controls import Controls
from latent_resonance.voice.synthesis.spectral_effects import SpectralEffects
from latent_resonance.voice.synthesis.spectrogram_loop import SpectrogramLoop


class ChannelPair:
    """Loop, spectral effects and phase reconstruction, in signal order."""

    def __init__(self, geometry: Geometry, settings: Settings, seed: int) -> None:
        self.loop = SpectrogramLoop(geometry, settings.loop.morph_s)
        self.effects = SpectralEffects(geometry, seed)
        self.phase = StreamingGriffinLim(
            geometry,
            look_ahead=settings.phase.look_ahead,
            iterations=settings.phase.iterations,
            momentum=settings.phase.momentum,
            seed=seed + 1,
        )

    def reset(self) -> None:
        """Reset every stage."""
        for stage in (self.loop, self.effects, self.phase):
            stage.reset()

    def hop(self, controls: Controls) -> FloatArray:
        """The next hop: (hop_length,) samples."""
        return self.phase.push(self.effects.step(self.loop.column(controls.rate), controls))
