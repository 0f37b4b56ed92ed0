"""Spectrograms and features to samples: loops, phases, effects and tone, joined.

Runs on the synthesis thread, or on a virtual clock, one hop at a time.
"""

from __future__ import annotations

from latent_resonance.audio.channels import joined
from latent_resonance.audio.spectrogram import FloatArray
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FEATURES, FeatureVector
from latent_resonance.pack import Pack
from latent_resonance.voice.synthesis.channel_pair import channel_pairs
from latent_resonance.voice.synthesis.controls import ControlGlide
from latent_resonance.voice.synthesis.loop_frames import LoopFrames, frames_of
from latent_resonance.voice.synthesis.loop_span import LoopSpan
from latent_resonance.voice.synthesis.panning import Panning
from latent_resonance.voice.synthesis.tone import Tone

HEAD_YAW = FEATURES.index("head_yaw")


class Synthesiser:
    """Spectrograms and features to samples, one hop at a time.

    Parameters
    ----------
    n_channels : of the sound; each two cost a phase reconstruction
    """

    def __init__(self, pack: Pack, settings: Settings, seed: int, n_channels: int = 1) -> None:
        geometry = pack.geometry
        self.geometry, self.hop_s = geometry, geometry.hop_s
        self.level_db = pack.level_reference_db if settings.loop.even_levels else None
        self.longest_rest = settings.loop.longest_rest_s / geometry.hop_s  # frames
        self.controls = ControlGlide(settings.controls)
        self.pairs = channel_pairs(geometry, settings, seed + 1, n_channels, self.level_db)
        self.panning = Panning(geometry.sample_rate) if settings.output.follow_yaw else None
        self.tone = Tone(
            geometry.sample_rate,
            band_pass=settings.controls.band_pass,
            loudness_lufs=settings.output.loudness_lufs,
            expected_db=pack.level_reference_db,
            volume_db=settings.output.volume_db,
            ceiling_dbtp=settings.output.ceiling_dbtp,
        )

    @property
    def generated(self) -> FloatArray:
        """Mel amplitudes (n_mels,) of the newest column, before effects and tone."""
        return self.pairs[0].generated

    @property
    def latency_samples(self) -> int:
        """From the centre of the frame at the playhead to its sample."""
        return self.pairs[0].phase.latency_samples + self.tone.limiter.delay

    def reset(self) -> None:
        """Reset every stage."""
        self.controls.reset()
        for pair in self.pairs:
            pair.reset()
        self.tone.reset()

    def seek(self, other: Synthesiser) -> None:
        """Move the playheads to where another synthesiser's are."""
        for pair in self.pairs:
            pair.seek(other.pairs[0].loop.playhead.position)

    def receive(self, spectrogram: FloatArray, span: LoopSpan | None = None) -> None:
        """Start to morph into a new spectrogram (n_mels, frames), by default a whole loop."""
        frames = self._frames(spectrogram, span)
        for pair in self.pairs:
            pair.loop.receive(frames)

    def complete(self, spectrogram: FloatArray) -> None:
        """Take the whole (n_mels, n_frames) of the loop of which a part is played."""
        frames = self._frames(spectrogram)
        for pair in self.pairs:
            pair.loop.complete(frames)

    def _frames(self, spectrogram: FloatArray, span: LoopSpan | None = None) -> LoopFrames:
        return frames_of(spectrogram, self.geometry, self.level_db, span, self.longest_rest)

    def hop(self, features: FeatureVector) -> FloatArray:
        """The next hop, float32 within the ceiling: (hop_length,), or (n_channels, hop_length)."""
        controls = self.controls.step(features, self.hop_s)
        samples = joined([pair.hop(controls) for pair in self.pairs])
        if self.panning is not None:
            samples = self.panning.process(samples, float(features[HEAD_YAW]))
        return self.tone.process(samples, controls.openness)
