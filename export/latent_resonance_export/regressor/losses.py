"""What is wished of a regressor, as losses on a batch of movement. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance_export.gan.losses import prior_loss
from latent_resonance_export.regressor.example_faces import still_face
from latent_resonance_export.regressor.model import STEEPEST, Regressor
from latent_resonance_export.regressor.surrogate import standard

NUDGE = 0.01  # weighted features
SLOPES_OF = 8  # one in so many moments of a batch has its slope taken
SLOPE_MARGIN = 0.75  # of STEEPEST, from where on a slope is wished away: no wish is kept exactly
WEIGHT_OF_EXAMPLES = 4.0
WEIGHT_OF_SLOPE = 4.0
MOMENTARY = torch.tensor(["velocity" in f or f in {"motion", "stillness"} for f in FEATURES])


@dataclass(frozen=True)
class Goals:
    """Where some faces should land.

    rest : (latent_dim,) the still face's z; faces : (n, 16) of the examples; z : (n, latent_dim)
    """

    rest: Tensor
    faces: Tensor
    z: Tensor


def wishes(
    regressor: Regressor,
    surrogate: nn.Module,
    features: Tensor,
    goals: Goals,
    rng: torch.Generator,
) -> dict[str, Tensor]:
    """Six losses; features : (n, 16)."""
    z = regressor(features)
    rest = regressor(torch.from_numpy(still_face())[None])
    return {
        "prior": prior_loss(z, rng),
        "slope": slope_wish(regressor, features) * WEIGHT_OF_SLOPE,
        "spread": spread_wish(regressor, features, z, rng),
        "controls": controls_wish(surrogate, features, z),
        "rest": (rest - goals.rest).square().mean(),
        "examples": examples_wish(regressor, features, goals, rng) * WEIGHT_OF_EXAMPLES,
    }


def slope_wish(regressor: Regressor, features: Tensor) -> Tensor:
    """A small movement makes a small change, in whatever direction it goes."""
    norms = steepest_slopes(regressor, features[torch.arange(0, len(features), SLOPES_OF)])
    return torch.relu(norms - SLOPE_MARGIN * STEEPEST).square().mean()


def steepest_slopes(regressor: Regressor, features: Tensor) -> Tensor:
    """Change of z, in units of its length, by weighted features in the steepest direction: (n,).

    The spectral norm of the Jacobian, by central differences, at each of the features (n, 16).
    """
    nudges = NUDGE * torch.eye(features.shape[1]) / regressor.scale
    ahead, behind = (
        regressor((features[:, None] + side * nudges).flatten(0, 1)) for side in (1, -1)
    )
    jacobian = ((ahead - behind) / (2 * NUDGE)).unflatten(0, (len(features), -1))
    return torch.linalg.matrix_norm(jacobian, 2) / regressor.latent_dim**0.5


def spread_wish(regressor: Regressor, features: Tensor, z: Tensor, rng: torch.Generator) -> Tensor:
    """Different faces lie as far apart as different random z, alike ones near each other."""
    shuffled = torch.randperm(len(z), generator=rng)
    apart = ((features - features[shuffled]) * regressor.scale).norm(dim=1)
    z_apart = (z - z[shuffled]).norm(dim=1) / (2 * z.shape[1]) ** 0.5
    return (z_apart - (1 - torch.exp(-2.0 * apart))).square().mean() * 4.0


def controls_wish(surrogate: nn.Module, features: Tensor, z: Tensor) -> Tensor:
    """An open mouth is brighter, a tense brow noisier."""
    centroid, flatness = surrogate(z)[:, :2].T
    mouth = features[:, FEATURES.index("mouth_open")]
    brow = features[:, FEATURES.index("brow_tension")]
    return 2.0 - correlation(mouth, centroid) - correlation(brow, flatness)


def examples_wish(
    regressor: Regressor, features: Tensor, goals: Goals, rng: torch.Generator
) -> Tensor:
    """Each example's face makes its sound, and also while it moves: as some moment of `features`.

    A momentary feature that an example names, one that is not neutral, stays as it is.
    """
    if not len(goals.faces):
        return features.new_zeros(())
    moment = features[torch.randint(len(features), (len(goals.faces),), generator=rng)]
    is_free = MOMENTARY & (goals.faces == torch.from_numpy(neutral_features()))
    faces = torch.cat([goals.faces, torch.where(is_free, moment, goals.faces)])
    return (regressor(faces) - goals.z.repeat(2, 1)).square().mean()


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's r of two vectors."""
    return (standard(a) * standard(b)).mean()
