"""Features to spectrograms: regressor, glide through the latent space, generator.

Runs on the generate thread, or on a virtual clock. In: features. Out: a loop, or the part of one
that can be played before the next step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, Protocol

import numpy as np

from latent_resonance.audio.spectrogram import FloatArray, Geometry
from latent_resonance.config.settings import Settings
from latent_resonance.face_state import FeatureVector, neutral_features
from latent_resonance.link.correction import Correction
from latent_resonance.pack import Pack
from latent_resonance.voice.synthesis.controls import ControlGlide
from latent_resonance.voice.synthesis.latent import Latent, LatentGlide, Target
from latent_resonance.voice.synthesis.loop_frames import cuts_a_rest, evening_margin
from latent_resonance.voice.synthesis.loop_span import LoopSpan, whole_loop
from latent_resonance.voice.synthesis.networks import NetworkError
from latent_resonance.voice.synthesis.truncation import Truncation

MOVED = 1e-3  # of z, in standard deviations; less is inaudible: the spectrogram is kept
LARGEST_PIXEL = 1.001
FLAT = 1e-3  # a spectrogram whose pixels differ by less is no sound


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
