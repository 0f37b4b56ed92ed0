"""The stages of the voice joined into two: generator (spectrograms) and synthesiser (samples).

Neither knows of threads or clocks: `engine.py` runs each on its own thread, `rendering.py` calls
both on a virtual clock, and the sound is the same.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from latent_resonance.audio.channels import joined
from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.output import most_voice_channels, voice_channels
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FEATURES, FeatureVector, neutral_features
from latent_resonance.link.correction import Correction
from latent_resonance.pack import Pack
from latent_resonance.voice.synthesis.channel_pair import channel_pairs
from latent_resonance.voice.synthesis.controls import ControlGlide
from latent_resonance.voice.synthesis.latent import Latent, LatentGlide, Target
from latent_resonance.voice.synthesis.loop_frames import (
    LoopFrames,
    cuts_a_rest,
    evening_margin,
    frames_of,
)
from latent_resonance.voice.synthesis.loop_span import LoopSpan, whole_loop
from latent_resonance.voice.synthesis.networks import NetworkError, Networks
from latent_resonance.voice.synthesis.panning import Panning
from latent_resonance.voice.synthesis.tone import Tone
from latent_resonance.voice.synthesis.truncation import Truncation

HEAD_YAW = FEATURES.index("head_yaw")
MOVED = 1e-3  # of z, in standard deviations; less is inaudible: the spectrogram is kept
LARGEST_PIXEL = 1.001
FLAT = 1e-3  # a spectrogram whose pixels differ by less is no sound
INTERVALS_AHEAD = 2.0  # between two spectrograms: one to wait, one to generate
WARM_UP_S = 0.4  # after which nothing is left of an instrument's initial state


class SpectrogramNetworks(Protocol):
    """A pack's two networks, as the generator calls them."""

    @property
    def step(self) -> int | None:
        """Frames of a step of the generator; None if it gives whole loops only."""

    def z_of(self, features: FeatureVector) -> Latent:
        """(n_features,) -> (latent_dim,); NetworkError if it cannot be run."""

    def spectrogram_of(self, z: Latent) -> FloatArray:
        """(latent_dim,) -> (n_mels, n_frames) in [-1, 1]; NetworkError if it cannot be run."""

    def part_of(self, z: Latent, span: LoopSpan) -> FloatArray:
        """(latent_dim,) -> (n_mels, span.length) in [-1, 1]; NetworkError if it cannot be run."""


class Generated(NamedTuple):
    """What the generator gave last: a loop, or a part of one."""

    z: Latent  # the same object for parts of the same loop
    pixels: FloatArray  # (n_mels, span.length) in [-1, 1]
    span: LoopSpan


class Reach(NamedTuple):
    """Where the playhead is, and how far it may come before the next part of the loop is there."""

    position: float
    frames: float
    known: LoopSpan | None  # of the loop that is played; None if the last one is yet to be received


class SpectrogramGenerator:
    """Features to spectrograms: regressor, glide through the latent space, generator.

    When a network fails or returns an invalid spectrogram, the last valid one stays and `fault`
    says what was wrong.

    Attributes
    ----------
    correction : of the regressor, by examples given on site; set by the thread that calls
        `target_of`
    """

    def __init__(
        self, pack: Pack, networks: SpectrogramNetworks, settings: Settings, seed: int
    ) -> None:
        self.networks = networks
        self.controls = ControlGlide(settings.controls)
        self.truncation = truncation_of(pack, networks, settings)
        self.glide = LatentGlide(self.truncation(pack.anchors), settings.latent, seed)
        self.target = Target(self.glide.base)
        self.geometry, self.level_db = pack.geometry, pack.level_reference_db
        silence, whole = silent_spectrogram(pack.geometry), whole_loop(pack.geometry.n_frames)
        self.generated = Generated(self.glide.base.copy(), silence, whole)  # of no loop
        self.begun = False
        self.fault: str | None = None
        self.correction: Correction | None = None
        self._mapped: Latent = self.glide.base  # the regressor's z, corrected
        self._mapped_from: tuple[FeatureVector | None, Correction | None] = (None, None)

    def target_of(self, features: FeatureVector, held: Latent | None = None) -> Target:
        """Where z is to move: to `held` (latent_dim,), or to the regressor's z, corrected.

        The regressor runs once per feature array: the same array gives the same object again.
        May be called on another thread than `step`.
        """
        z = self._map(features) if held is None else held
        if z is not self.target.z:
            self.target = Target(z, held=held is not None)
        return self.target

    @property
    def z(self) -> Latent:
        """Of the last spectrogram."""
        return self.generated.z

    @property
    def spectrogram(self) -> FloatArray:
        """The last spectrogram: (n_mels, frames) in [-1, 1]."""
        return self.generated.pixels

    def step(
        self,
        features: FeatureVector,
        dt_s: float,
        target: Target | None = None,
        reach: Reach | None = None,
    ) -> FloatArray:
        """Move z by dt_s towards the target and return the spectrogram there.

        Parameters
        ----------
        target : by default `target_of(features)`
        reach : while z moves, generate only the part of the loop that can be played before the
            next step; by default, always the whole loop

        Returns
        -------
        (n_mels, frames) in [-1, 1]; the same object as before if z has hardly moved and the part
        of its loop is long enough
        """
        target = target or self.target_of(features)
        controls = self.controls.step(features, dt_s)
        if target.held:
            controls = replace(controls, noise=0.0, clarity=0.0)
        z = self.glide.step(target.z, controls, dt_s)
        if not self.begun or np.abs(z - self.z).max() > MOVED:
            self._generate(z, reach)
        elif not self._reaches(reach):
            self._generate(self.z)  # the whole loop: z rests, so that the playhead will go round it
        return self.spectrogram

    def _reaches(self, reach: Reach | None) -> bool:
        """Whether as much of the present loop is known as will be played."""
        if reach is None:
            return self.generated.span.is_whole
        return reach.known is None or reach.known.ahead(reach.position) >= reach.frames

    def _map(self, features: FeatureVector) -> Latent:
        """The regressor's z, corrected; the last valid one if the regressor fails."""
        known, corrected_by = self._mapped_from
        if features is known and self.correction is corrected_by:
            return self._mapped
        self._mapped_from = features, self.correction
        try:
            z = self.networks.z_of(features)
        except NetworkError as error:
            self.fault = str(error)
            return self._mapped
        if not np.isfinite(z).all():
            self.fault = "the regressor gave NaN or infinity"
            return self._mapped
        z = self.truncation(z)
        self._mapped = self.correction.corrected(features, z) if self.correction else z
        return self._mapped

    def _generate(self, z: Latent, reach: Reach | None = None) -> None:
        try:
            pixels, span = self._pixels(z, self._span(reach))
        except NetworkError as error:
            self.fault = str(error)
            return
        if (fault := fault_of(pixels, span.is_whole)) is not None:
            self.fault = fault
            return
        self.generated, self.begun = Generated(z, pixels, span), True

    def _pixels(self, z: Latent, span: LoopSpan) -> tuple[FloatArray, LoopSpan]:
        """A part of a loop; the whole if it cuts a rest, which needs both ends to be passed."""
        if not span.is_whole:
            part = self.networks.part_of(z, span)
            if not cuts_a_rest(part, self.geometry, self.level_db):
                return part, span
        return self.networks.spectrogram_of(z), whole_loop(self.geometry.n_frames)

    def _span(self, reach: Reach | None) -> LoopSpan:
        """The part of the loop to generate, in whole steps of the generator."""
        n_frames, step = self.geometry.n_frames, self.networks.step
        if reach is None or step is None:
            return whole_loop(n_frames)
        margin = evening_margin(self.geometry)
        first = (int(reach.position) - margin) // step * step
        last = reach.position + reach.frames + margin + 2
        count = -int((first - last) // step) * step
        if count >= n_frames:
            return whole_loop(n_frames)
        return LoopSpan(first % n_frames, count, n_frames)


def truncation_of(pack: Pack, networks: SpectrogramNetworks, settings: Settings) -> Truncation:
    """The settings' truncation, else the pack's, around the z of the neutral face.

    Raises
    ------
    NetworkError
        The regressor cannot be run.
    """
    amount = settings.latent.truncation
    amount = pack.truncation if amount is None else amount
    return Truncation(amount, networks.z_of(neutral_features()) if amount != 1.0 else None)


def fault_of(spectrogram: FloatArray, is_whole: bool = True) -> str | None:
    """Why a spectrogram cannot be played; None if it can. A part of one may be a rest."""
    lowest, highest = float(spectrogram.min()), float(spectrogram.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        return "the generator gave NaN or infinity"
    if max(-lowest, highest) > LARGEST_PIXEL:
        return f"the generator gave values from {lowest:.3g} to {highest:.3g}, not within -1..1"
    if is_whole and highest - lowest < FLAT:
        return f"the generator gave the same value, {highest:.3g}, everywhere"
    return None


def silent_spectrogram(geometry: Geometry) -> FloatArray:
    """(n_mels, n_frames) at the lower limit."""
    return np.full((geometry.n_mels, geometry.n_frames), -1.0, np.float32)


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
