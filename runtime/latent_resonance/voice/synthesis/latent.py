"""Moves z through the latent space: glides, jitters with brow tension, comes to rest when still.

Lives on the dreaming thread. In: where the regressor wants z to be. Out: where z is.
Every motion is in seconds, so that the path does not depend on how often it is stepped.
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
LET_GO = 0.05  # clarity below which the anchor is chosen anew


@dataclass(frozen=True)
class Target:
    """Where z moves to: `z` (latent_dim,), and whether it is held there by remote control."""

    z: Latent
    held: bool = False  # neither jitters nor moves to an anchor


def nearest_anchor(z: Latent, anchors: NDArray[np.float32]) -> Latent:
    """The anchor in the direction closest to z: (latent_dim,), (n, latent_dim) -> (latent_dim,)."""
    cosine = anchors @ z / (np.linalg.norm(anchors, axis=1) + 1e-9)
    return anchors[int(np.argmax(cosine))]


class LatentGlide:
    """z on its way.

    The jitter is an Ornstein-Uhlenbeck process of unit variance (Uhlenbeck & Ornstein 1930),
    discretised exactly, so its colour is the same at any step.
    """

    def __init__(self, anchors: NDArray[np.float32], settings: LatentSettings, seed: int) -> None:
        self.anchors = anchors
        self.settings = settings
        self.seed = seed
        self.reset()

    def reset(self) -> None:
        """Back to the first anchor, and to the beginning of the random sequence."""
        self.rng = np.random.default_rng(self.seed)
        self.base = self.anchors[0].astype(np.float32).copy()
        self.wobble = np.zeros_like(self.base)
        self.anchor: Latent | None = None

    def step(self, target: Latent, controls: Controls, dt_s: float) -> Latent:
        """Moves on by dt_s towards `wanted` (latent_dim,); returns z, a new array."""
        clarity = controls.clarity
        if self.anchor is None or clarity < LET_GO:
            self.anchor = nearest_anchor(target, self.anchors)
        destination = target + (self.anchor - target) * clarity
        glide_s = self.settings.glide_s
        time_constant_s = glide_s + (self.settings.anchor_glide_s - glide_s) * clarity
        kept = approach(1.0, 0.0, dt_s, time_constant_s)
        self.base = (destination + (self.base - destination) * kept).astype(np.float32)
        return self.base + self._jitter(dt_s) * self._jitter_amount(controls)

    def _jitter_amount(self, controls: Controls) -> np.float32:
        return np.float32(self.settings.jitter * controls.noise * (1.0 - controls.clarity))

    def _jitter(self, dt_s: float) -> Latent:
        kept = math.exp(-2.0 * math.pi * self.settings.jitter_hz * dt_s)
        fresh = self.rng.standard_normal(self.wobble.shape, dtype=np.float32)
        self.wobble = np.float32(kept) * self.wobble + np.float32(math.sqrt(1 - kept**2)) * fresh
        return self.wobble
