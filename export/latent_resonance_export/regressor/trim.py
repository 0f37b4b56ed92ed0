"""Trims the weights of the features after training, so that each moves z far enough, not too far.

Training balances six losses and states no limit to the reach of one feature. The weights are a
factor of each input, so a feature can be trimmed alone: the neutral face and what the other
features do stay as they were trained.
"""

from __future__ import annotations

import numpy as np
import torch

from latent_resonance.face_state import FEATURES
from latent_resonance_export.regressor.model import Regressor
from latent_resonance_export.regressor.reach import RegressorFunction, reaches

LEAST, MOST = 0.22, 0.78  # of the reach: within audition's limits, 0.2 to 0.8, with a margin
ROUNDS = 60
LARGEST_FACTOR = 1.5  # of a weight in one round: the reach is not linear in it


@torch.no_grad()
def trim_reach(regressor: Regressor) -> dict[str, float]:
    """Changes `scale` until each feature's reach lies within LEAST and MOST; returns the factors.

    Features within the limits, and those without a measured 95th percentile, keep their weight
    (a factor of 1). A feature that training made nothing of may stay below LEAST.
    """
    before = regressor.scale.clone()
    for _ in range(ROUNDS):
        factors = factors_towards_limits(reaches(function_of(regressor)))
        if all(factor == 1.0 for factor in factors.values()):
            break
        regressor.scale *= torch.tensor([factors.get(name, 1.0) for name in FEATURES])
    return dict(zip(FEATURES, (regressor.scale / before).tolist(), strict=True))


def factors_towards_limits(reach: dict[str, float]) -> dict[str, float]:
    """By how much each weight should change next: 1 within the limits."""
    largest = LARGEST_FACTOR
    return {
        name: float(np.clip(np.clip(r, LEAST, MOST) / max(r, 1e-6), 1 / largest, largest))
        for name, r in reach.items()
    }


def function_of(regressor: Regressor) -> RegressorFunction:
    """The regressor on arrays."""
    return lambda features: regressor(torch.from_numpy(features)).detach().numpy()
