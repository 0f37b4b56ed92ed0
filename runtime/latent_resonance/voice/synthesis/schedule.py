"""When to dream: at an even pace, and at once when the face asks for quite another sound.

Pure but for the regressor that it asks; on the dreaming thread, and on the virtual clock. Evenly
timed pictures alone would let a gesture wait for the next one: half a pace in the mean.
"""

from __future__ import annotations

import numpy as np

from latent_resonance.face_state import FeatureVector
from latent_resonance.voice.synthesis.instrument import SpectrogramNetworks
from latent_resonance.voice.synthesis.networks import NetworkError

LEAP = 0.35  # RMS over z, in standard deviations, that a slow face does not reach between pictures
SOONEST_S = 0.03  # after the last picture; a generator has to have time for it


class GenerationSchedule:
    """Tells whether it is time for another picture."""

    def __init__(self) -> None:
        self.asked: FeatureVector | None = None  # the last features looked at
        self.target: np.ndarray | None = None  # z of those that the last picture was for
        self.last_s = float("-inf")
        self.next_s = float("-inf")

    def due(
        self, networks: SpectrogramNetworks, features: FeatureVector, now_s: float, picture_s: float
    ) -> bool:
        """Whether to dream now, which the caller then does.

        Parameters
        ----------
        picture_s : seconds from one picture to the next of a face that moves slowly
        """
        leapt = now_s - self.last_s >= SOONEST_S and self._leapt(networks, features)
        if now_s < self.next_s and not leapt:
            return False
        self.target = _z_of(networks, features)
        in_step = not leapt and now_s - self.next_s < picture_s  # an even pace does not drift
        self.next_s = (self.next_s if in_step else now_s) + picture_s
        self.last_s = now_s
        return True

    def _leapt(self, networks: SpectrogramNetworks, features: FeatureVector) -> bool:
        if features is self.asked or self.target is None:
            return False
        self.asked, target = features, _z_of(networks, features)
        if target is None:
            return False
        return float(np.sqrt(np.mean(np.square(target - self.target)))) > LEAP


def _z_of(networks: SpectrogramNetworks, features: FeatureVector) -> np.ndarray | None:
    """None if the regressor cannot be run at present; whoever dreams says so."""
    try:
        return networks.z_of(features)
    except NetworkError:
        return None
