"""One playhead and one phase reconstruction: the source of a channel, or of two in quadrature.

Runs on the synthesis thread. In: spectrograms, whenever one is generated, and the controls every
hop. Out: one hop of samples.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.audio.griffin_lim import StreamingGriffinLim
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.settings import Settings
from latent_resonance.voice.synthesis.controls import Controls
from latent_resonance.voice.synthesis.spectral_effects import SpectralEffects
from latent_resonance.voice.synthesis.spectrogram_loop import SpectrogramLoop

DRIFT_HZ = 0.4  # from pair to pair: at 200 Hz, three cents


class ChannelPair:
    """Loop, spectral effects and phase reconstruction, in signal order.

    Parameters
    ----------
    seed : of glitches, noise and attacks
    quadrature : give two channels, the second turned by 90 degrees
    start : where the playhead starts, as a share of the loop
    drift_hz : shift of all frequencies
    level_db : loudness around which spectrograms are evened out; None if they are not

    Attributes
    ----------
    generated : mel amplitudes (n_mels,) of the newest column, as the loop gave it
    """

    def __init__(
        self,
        geometry: Geometry,
        settings: Settings,
        seed: int,
        *,
        quadrature: bool = False,
        start: float = 0.0,
        drift_hz: float = 0.0,
        level_db: float | None = None,
    ) -> None:
        self.n_frames, self.start = geometry.n_frames, start * geometry.n_frames
        self.loop = SpectrogramLoop(geometry, settings.loop, level_db)
        self.generated = np.zeros(geometry.n_mels, np.float32)
        self.effects = SpectralEffects(geometry, seed)
        self.phase = StreamingGriffinLim(
            geometry,
            look_ahead=settings.phase.look_ahead,
            iterations=settings.phase.iterations,
            momentum=settings.phase.momentum,
            seed=seed + 1,
            quadrature=quadrature,
            drift_hz=drift_hz,
            highest_hz=geometry.f_max_hz,
        )
        self.seek(0.0)

    @property
    def n_channels(self) -> int:
        """1, or 2 in quadrature."""
        return 1 + self.phase.quadrature

    def reset(self) -> None:
        """Reset every stage."""
        for stage in (self.loop, self.effects, self.phase):
            stage.reset()
        self.seek(0.0)

    def seek(self, position: float) -> None:
        """Move the playhead to a position in the loop, frames, plus this pair's own start."""
        self.loop.playhead.position = (position + self.start) % self.n_frames

    def hop(self, controls: Controls) -> FloatArray:
        """The next hop: (hop_length,) samples, or (2, hop_length) in quadrature."""
        self.generated = self.loop.column(controls.rate)
        return self.phase.push(self.effects.step(self.generated, controls))


def channel_pairs(
    geometry: Geometry,
    settings: Settings,
    seed: int,
    n_channels: int,
    level_db: float | None = None,
) -> list[ChannelPair]:
    """Pairs for a number of channels, of which the last is single if the number is odd.

    Their playheads are evenly apart in the loop, so that no two play the same sound at a time.
    A note that is held through the loop is in all pairs; their phases drift apart, half of them
    up and half of them down, so that no place in the room extinguishes it for long.
    """
    n_pairs = -(-n_channels // 2)
    return [
        ChannelPair(
            geometry,
            settings,
            seed + 2 * i,
            quadrature=2 * i + 1 < n_channels,
            start=i / n_pairs,
            drift_hz=(i - (n_pairs - 1) / 2) * DRIFT_HZ,
            level_db=level_db,
        )
        for i in range(n_pairs)
    ]
