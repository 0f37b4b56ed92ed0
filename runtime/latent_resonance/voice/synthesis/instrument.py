"""A pack that is played: its generator makes spectrograms, its synthesiser samples.

Neither knows of threads or clocks: `engine.py` runs each on its own thread, `rendering.py` calls
both on a virtual clock, and the sound is the same.
"""

from __future__ import annotations

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.output import most_voice_channels, voice_channels
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FeatureVector
from latent_resonance.pack import Pack
from latent_resonance.voice.synthesis.latent import Target
from latent_resonance.voice.synthesis.networks import Networks
from latent_resonance.voice.synthesis.spectrogram_generator import (
    Generated,
    Reach,
    SpectrogramGenerator,
)
from latent_resonance.voice.synthesis.synthesiser import Synthesiser

INTERVALS_AHEAD = 2.0  # between two spectrograms: one to wait, one to generate
WARM_UP_S = 0.4  # after which nothing is left of an instrument's initial state


class Instrument:
    """A pack with settings, ready to be played: generator and synthesiser.

    `generate` is called on one thread and `hop` on another; between them lie `generator.generated`
    and the playhead's position, each of which is replaced whole.
    """

    def __init__(self, pack: Pack, networks: Networks, settings: Settings, seed: int) -> None:
        self.pack, self.networks, self.settings = pack, networks, settings
        self.generator = SpectrogramGenerator(pack, networks, settings, seed)
        n_channels = most_voice_channels(settings.output)
        self.synthesiser = Synthesiser(pack, settings, seed, n_channels)
        self.device_channels = 1
        self._received = self.generator.generated  # silence: what the loop begins with
        self._ahead_hops = reach_hops(settings, pack.geometry)

    def generate(self, features: FeatureVector, dt_s: float, target: Target | None = None) -> None:
        """Move the spectrogram on by dt_s; see `SpectrogramGenerator.step`."""
        self.generator.step(features, dt_s, target, self._reach())

    def _reach(self) -> Reach | None:
        """How far the playhead may come; None if several are at different places of the loop."""
        if self.networks.step is None or len(self.synthesiser.pairs) > 1:
            return None
        loop = self.synthesiser.pairs[0].loop
        frames = loop.frames_in(self._ahead_hops)
        is_received = self._received is self.generator.generated
        return Reach(loop.playhead.position, frames, loop.newest.span if is_received else None)

    def hop(self, features: FeatureVector, iterations: int, device_channels: int = 1) -> FloatArray:
        """The next hop: (hop_length,), or (n_channels, hop_length).

        Parameters
        ----------
        iterations : of the phase reconstruction
        device_channels : of the device that plays; `auto` is stereo if it has more than one
        """
        self.device_channels = device_channels
        n_channels = voice_channels(self.settings.output, device_channels)
        self.synthesiser.pairs[-1].phase.quadrature = n_channels % 2 == 0
        self._receive(self.generator.generated)
        for pair in self.synthesiser.pairs:
            pair.phase.iterations = iterations
        return self.synthesiser.hop(features)

    def _receive(self, generated: Generated) -> None:
        if generated is self._received:
            return
        if generated.z is self._received.z:
            self.synthesiser.complete(generated.pixels)
        else:
            self.synthesiser.receive(generated.pixels, generated.span)
        self._received = generated

    def follow(self, before: Instrument, features: FeatureVector) -> None:
        """Continue where another instrument is: take over its state and play unheard to settle."""
        if before.networks is self.networks:
            self.generator.glide.base = before.generator.glide.base
            self.synthesiser.tone.leveller.follow(before.synthesiser.tone.leveller)
        self.synthesiser.seek(before.synthesiser)
        self.generate(features, 1.0)
        for _ in range(int(WARM_UP_S / self.pack.geometry.hop_s)):
            self.hop(features, 1, before.device_channels)


def reach_hops(settings: Settings, geometry: Geometry) -> float:
    """Hops that a part of a loop must last: until the next one is there, and its morph is done."""
    interval_s = 1.0 / settings.inference.spectrograms_per_s
    return (INTERVALS_AHEAD * interval_s + settings.loop.morph_s) / geometry.hop_s
