"""Move z through the latent space: glide to a target, jitter with tension, rest when still.

Runs on the generate thread. In: the target z. Out: the present z. Time constants are in seconds, so
that the path does not depend on the step length.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from latent_resonance.audio.fades import approach
from latent_resonance.config.settings import Latent as LatentSettings
from latent_resonance.voice.synthesis.controls import Controls

Latent = NDArray[np.float32]
RELEASE = 0.05  # clarity below which another anchor may be chosen
DRIFT_EVERY_S = 12.0  # of stillness: two loops; for half of it z rests, and nothing is generated
DRIFT_GLIDE_S = 0.8  # time constant of the way to the next neighbour


@dataclass(frozen=True)
class Target:
    """Where z is to move: `z` (latent_dim,), and whether it is held there by remote control."""

    z: Latent
    held: bool = False  # neither jitters nor moves to an anchor


def nearest_anchor(z: Latent, anchors: NDArray[np.float32]) -> Latent:
    """The anchor in the direction closest to z: (latent_dim,), (n, latent_dim) -> (latent_dim,)."""
    cosine = anchors @ z / (np.linalg.norm(anchors, axis=1) + 1e-9)
    nearest: Latent = anchors[int(np.argmax(cosine))]
    return nearest


class Drift:
    """Slow steps around the anchor of a held face, which would otherwise repeat one loop.

    Each step leads to a random neighbour of the *anchor*, not of the last one, so that the sound
    keeps its centre: within 0.3 of an anchor the pitch stays within half a semitone in 92 % of
    steps or more, in both packs.
    """

    def __init__(self, latent_dim: int, seed: int) -> None:
        self.latent_dim, self.seed = latent_dim, seed
        self.reset()

    def reset(self) -> None:
        """Reset to the anchor and the start of the random sequence."""
        self.rng = np.random.default_rng([self.seed, 1])
        self.still_s = 0.0
        self.offset: Latent = np.zeros(self.latent_dim, np.float32)
        self.neighbour = self.offset

    def step(self, clarity: float, dt_s: float) -> Latent:
        """Move by dt_s; return the offset from the anchor over the amplitude: (latent_dim,)."""
        if clarity < RELEASE:
            self.still_s, self.neighbour = 0.0, np.zeros_like(self.offset)
        before, self.still_s = self.still_s, self.still_s + dt_s * clarity
        if self.still_s // DRIFT_EVERY_S > before // DRIFT_EVERY_S:
            self.neighbour = self.rng.standard_normal(self.latent_dim, dtype=np.float32)
        kept = np.float32(approach(1.0, 0.0, dt_s, DRIFT_GLIDE_S))
        self.offset = self.neighbour + (self.offset - self.neighbour) * kept
        return self.offset


class LatentGlide:
    """The present z.

    The jitter is an Ornstein-Uhlenbeck process of unit variance (Uhlenbeck & Ornstein 1930),
    discretised exactly, so that its spectrum is the same at any step length.

    Attributes
    ----------
    anchors : (n, latent_dim), where a still face comes to rest
    """

    def __init__(self, anchors: NDArray[np.float32], settings: LatentSettings, seed: int) -> None:
        self.anchors = self._own_anchors = anchors
        self._further: tuple[Latent, ...] = ()
        self.settings = settings
        self.seed = seed
        self.drift = Drift(anchors.shape[1], seed)
        self.reset()

    def reset(self) -> None:
        """Reset to the first anchor and the start of the random sequence."""
        self.rng = np.random.default_rng(self.seed)
        self.base: Latent = self._own_anchors[0].astype(np.float32).copy()
        self.deviation: Latent = np.zeros_like(self.base)
        self.anchor: Latent | None = None
        self.drift.reset()

    def add_anchors(self, further: tuple[Latent, ...]) -> None:
        """Set anchors besides the pack's own; those of another latent_dim are left out."""
        if further is self._further:
            return
        self._further = further
        fitting = [each for each in further if len(each) == self._own_anchors.shape[1]]
        self.anchors = np.vstack([self._own_anchors, *fitting])

    def step(self, target: Latent, controls: Controls, dt_s: float) -> Latent:
        """Move by dt_s towards `target` (latent_dim,); return z, a new array."""
        clarity = controls.clarity
        if self.anchor is None or clarity < RELEASE:
            self.anchor = nearest_anchor(target, self.anchors)
        neighbour = self.anchor + self.drift.step(clarity, dt_s) * np.float32(self.settings.drift)
        destination = target + (neighbour - target) * clarity
        glide_s = self.settings.glide_s
        time_constant_s = glide_s + (self.settings.anchor_glide_s - glide_s) * clarity
        kept = approach(1.0, 0.0, dt_s, time_constant_s)
        self.base = (destination + (self.base - destination) * kept).astype(np.float32)
        z: Latent = self.base + self._jitter(dt_s) * self._jitter_amount(controls)
        return z

    def _jitter_amount(self, controls: Controls) -> np.float32:
        return np.float32(self.settings.jitter * controls.noise * (1.0 - controls.clarity))

    def _jitter(self, dt_s: float) -> Latent:
        kept = math.exp(-2.0 * math.pi * self.settings.jitter_hz * dt_s)
        fresh = self.rng.standard_normal(self.deviation.shape, dtype=np.float32)
        scale = np.float32(math.sqrt(1 - kept**2))
        self.deviation = np.float32(kept) * self.deviation + scale * fresh
        return self.deviation
