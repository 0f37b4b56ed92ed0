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


class LatentGlide:
    """The present z.

    The jitter is an Ornstein-Uhlenbeck process of unit variance (Uhlenbeck & Ornstein 1930),
    discretised exactly, so that its spectrum is the same at any step length.
    """

    def __init__(self, anchors: NDArray[np.float32], settings: LatentSettings, seed: int) -> None:
        self.anchors = anchors
        self.settings = settings
        self.seed = seed
        self.reset()

    def reset(self) -> None:
        """Reset to the first anchor and the start of the random sequence."""
        self.rng = np.random.default_rng(self.seed)
        self.base: Latent = self.anchors[0].astype(np.float32).copy()
        self.deviation: Latent = np.zeros_like(self.base)
        self.anchor: Latent | None = None

    def step(self, target: Latent, controls: Controls, dt_s: float) -> Latent:
        """Move by dt_s towards `target` (latent_dim,); return z, a new array."""
        clarity = controls.clarity
        if self.anchor is None or clarity < RELEASE:
            self.anchor = nearest_anchor(target, self.anchors)
        destination = target + (self.anchor - target) * clarity
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
