"""The stages of the voice joined into two: one dreams pictures, one turns them into samples.

Neither knows of threads or clocks: `perform.py` runs each on a thread of its own,
`render.py` takes them in turn on a virtual clock, and both hear the same instrument.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

import numpy as np

from latent_resonance.audio.griffin_lim import StreamingGriffinLim
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FeatureVector
from latent_resonance.pack import Pack, find_pack, open_pack
from latent_resonance.voice.synthesis.controls import ControlGlide
from latent_resonance.voice.synthesis.correction import Correction
from latent_resonance.voice.synthesis.latent import Latent, LatentGlide
from latent_resonance.voice.synthesis.networks import NetworkError, Networks, open_networks
from latent_resonance.voice.synthesis.spectral_effects import SpectralEffects
from latent_resonance.voice.synthesis.spectrogram_loop import SpectrogramLoop
from latent_resonance.voice.synthesis.tone import Tone

MOVED = 1e-3  # of z, in standard deviations: less cannot be heard, and is not dreamed again
LARGEST_PIXEL = 1.001
FLAT = 1e-3  # a picture whose pixels differ by less is no sound
WARM_UP_S = 0.4  # after which an instrument sounds as if it had always played


class SpectrogramNetworks(Protocol):
    """What a dreamer asks of a pack's networks."""

    def z_of(self, features: FeatureVector) -> Latent:
        """(n_features,) -> (latent_dim,); NetworkError if it cannot be run."""

    def spectrogram_of(self, z: Latent) -> FloatArray:
        """(latent_dim,) -> (n_mels, n_frames) in [-1, 1]; NetworkError if it cannot be run."""


class SpectrogramGenerator:
    """Features to pictures: regressor, glide through the latent space, generator.

    A network that fails or gives what is no picture is not heard: the last good one stays,
    and `fault` says what was wrong.

    Attributes
    ----------
    correction : what was taught on site; set by the dreaming thread
    """

    def __init__(
        self, pack: Pack, networks: SpectrogramNetworks, settings: Settings, seed: int
    ) -> None:
        self.networks = networks
        self.controls = ControlGlide(settings.controls)
        self.glide = LatentGlide(pack.anchors, settings.latent, seed)
        self.target: Latent = self.glide.base
        self.z: Latent = self.glide.base
        self.picture = silent_picture(pack.geometry)
        self.begun = False
        self.fault: str | None = None
        self.correction: Correction | None = None

    def step(self, features: FeatureVector, dt_s: float, held: Latent | None = None) -> FloatArray:
        """Moves z on by dt_s; returns the picture there: (n_mels, n_frames) in [-1, 1].

        With z held (latent_dim,) by somebody it goes there, and neither jitters nor rests.
        """
        controls = self.controls.step(features, dt_s)
        if held is None:
            self._follow(features)
        else:
            self.target, controls = held, replace(controls, noise=0.0, clarity=0.0)
        z = self.glide.step(self.target, controls, dt_s)
        if not self.begun or np.abs(z - self.z).max() > MOVED:
            self._generate(z)
        return self.picture

    def _follow(self, features: FeatureVector) -> None:
        try:
            target = self.networks.z_of(features)
        except NetworkError as error:
            self.fault = str(error)
            return
        if np.isfinite(target).all():
            taught = self.correction
            self.target = taught.corrected(features, target) if taught else target
        else:
            self.fault = "the regressor gave NaN or infinity"

    def _generate(self, z: Latent) -> None:
        try:
            picture = self.networks.spectrogram_of(z)
        except NetworkError as error:
            self.fault = str(error)
            return
        if (fault := fault_of(picture)) is not None:
            self.fault = fault
            return
        self.z, self.picture, self.begun = z, picture, True


def fault_of(picture: FloatArray) -> str | None:
    """Why a picture cannot be played; None if it can."""
    lowest, highest = float(picture.min()), float(picture.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        return "the generator gave NaN or infinity"
    if max(-lowest, highest) > LARGEST_PIXEL:
        return f"the generator gave values from {lowest:.3g} to {highest:.3g}, not within -1..1"
    if highest - lowest < FLAT:
        return f"the generator gave the same value, {highest:.3g}, everywhere"
    return None


def silent_picture(geometry: Geometry) -> FloatArray:
    """(n_mels, n_frames) of nothing."""
    return np.full((geometry.n_mels, geometry.n_frames), -1.0, np.float32)


class Synthesiser:
    """Pictures and features to samples, one hop at a time."""

    def __init__(self, pack: Pack, settings: Settings, seed: int) -> None:
        geometry = pack.geometry
        self.hop_s = geometry.hop_s
        self.controls = ControlGlide(settings.controls)
        self.loop = SpectrogramLoop(geometry, settings.loop.morph_s)
        self.texture = SpectralEffects(geometry, seed + 1)
        self.phase = StreamingGriffinLim(
            geometry,
            look_ahead=settings.phase.look_ahead,
            iterations=settings.phase.iterations,
            momentum=settings.phase.momentum,
            seed=seed + 2,
        )
        self.tone = Tone(
            geometry.sample_rate,
            loudness_lufs=settings.output.loudness_lufs,
            expected_db=pack.level_reference_db,
            volume_db=settings.output.volume_db,
            ceiling_dbtp=settings.output.ceiling_dbtp,
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


class Instrument:
    """A pack under some settings, ready to be played: both halves, and the picture between them.

    Attributes
    ----------
    picture : the newest one; written by the dreaming thread, read by the synthesis thread
    """

    def __init__(self, pack: Pack, networks: Networks, settings: Settings, seed: int) -> None:
        self.pack, self.networks, self.settings = pack, networks, settings
        self.generator = SpectrogramGenerator(pack, networks, settings, seed)
        self.synthesiser = Synthesiser(pack, settings, seed)
        self.picture: FloatArray | None = None
        self.shown: FloatArray | None = None

    def generate(self, features: FeatureVector, dt_s: float, held: Latent | None = None) -> None:
        """Moves the picture on by dt_s; towards z (latent_dim,) if somebody holds it."""
        self.picture = self.generator.step(features, dt_s, held)

    def hop(self, features: FeatureVector, iterations: int) -> FloatArray:
        """The next hop_length samples, with so many iterations of the phase reconstruction."""
        picture = self.picture
        if picture is not None and picture is not self.shown:
            self.synthesiser.receive(picture)
            self.shown = picture
        self.synthesiser.phase.iterations = iterations
        return self.synthesiser.hop(features)

    def follow(self, before: Instrument, features: FeatureVector) -> None:
        """Goes on where another one is, and plays itself warm, unheard."""
        if before.networks is self.networks:
            self.generator.glide.base = before.generator.glide.base
            self.synthesiser.tone.leveller.follow(before.synthesiser.tone.leveller)
        self.synthesiser.loop.position = before.synthesiser.loop.position
        self.generate(features, 1.0)
        for _ in range(int(WARM_UP_S / self.pack.geometry.hop_s)):
            self.hop(features, 1)


def open_instrument(settings: Settings, seed: int, before: Instrument | None = None) -> Instrument:
    """Opens the pack that the settings name; one with the same networks may lend them.

    Raises
    ------
    PackError
        The pack cannot be played.
    """
    if before is not None:
        return Instrument(before.pack, before.networks, settings, seed)
    pack = open_pack(find_pack(settings.pack))
    return Instrument(pack, open_networks(pack, settings.inference), settings, seed)
