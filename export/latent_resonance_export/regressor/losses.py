"""The losses of the regressor on a batch of movement. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latent_resonance.face_state import FEATURES, neutral_features
from latent_resonance_export.gan.losses import prior_loss
from latent_resonance_export.regressor.example_faces import neutral_face
from latent_resonance_export.regressor.model import MAX_SLOPE, Regressor
from latent_resonance_export.regressor.surrogate import standardise

NUDGE = 0.01  # weighted features
SLOPE_STRIDE = 8  # the slope is taken at every eighth row of a batch
SLOPE_MARGIN = 0.7  # share of MAX_SLOPE above which a slope costs: a loss is never quite zero
EXAMPLE_WEIGHT = 4.0
SLOPE_WEIGHT = 12.0
TRANSIENT = torch.tensor(["velocity" in f or f in {"motion", "stillness"} for f in FEATURES])


@dataclass(frozen=True)
class Targets:
    """Where some faces should be mapped.

    rest : (latent_dim,) the neutral face's z; faces : (n, 16) of the examples; z : (n, latent_dim)
    """

    rest: Tensor
    faces: Tensor
    z: Tensor


def regressor_losses(
    regressor: Regressor,
    surrogate: nn.Module,
    features: Tensor,
    targets: Targets,
    rng: torch.Generator,
) -> dict[str, Tensor]:
    """Six losses; features : (n, 16)."""
    z = regressor(features)
    rest = regressor(torch.from_numpy(neutral_face())[None])
    return {
        "prior": prior_loss(z, rng),
        "slope": slope_loss(regressor, features) * SLOPE_WEIGHT,
        "spread": spread_loss(regressor, features, z, rng),
        "controls": control_loss(surrogate, features, z),
        "rest": (rest - targets.rest).square().mean(),
        "examples": example_loss(regressor, features, targets, rng) * EXAMPLE_WEIGHT,
    }


def slope_loss(regressor: Regressor, features: Tensor) -> Tensor:
    """A small movement makes a small change, in any direction."""
    norms = steepest_slopes(regressor, features[torch.arange(0, len(features), SLOPE_STRIDE)])
    return torch.relu(norms - SLOPE_MARGIN * MAX_SLOPE).square().mean()


def steepest_slopes(regressor: Regressor, features: Tensor) -> Tensor:
    """Change of z, in units of its length, per weighted feature in the steepest direction: (n,).

    The spectral norm of the Jacobian, by central differences, at each of the features (n, 16).
    """
    nudges = NUDGE * torch.eye(features.shape[1]) / regressor.scale
    ahead, behind = (
        regressor((features[:, None] + side * nudges).flatten(0, 1)) for side in (1, -1)
    )
    jacobian = ((ahead - behind) / (2 * NUDGE)).unflatten(0, (len(features), -1))
    norms: Tensor = torch.linalg.matrix_norm(jacobian, 2) / regressor.latent_dim**0.5
    return norms


def spread_loss(regressor: Regressor, features: Tensor, z: Tensor, rng: torch.Generator) -> Tensor:
    """Different faces are as far apart as random z, similar ones close to each other."""
    shuffled = torch.randperm(len(z), generator=rng)
    distance = ((features - features[shuffled]) * regressor.scale).norm(dim=1)
    z_distance: Tensor = (z - z[shuffled]).norm(dim=1) / (2 * z.shape[1]) ** 0.5
    return (z_distance - (1 - torch.exp(-2.0 * distance))).square().mean() * 4.0


def control_loss(surrogate: nn.Module, features: Tensor, z: Tensor) -> Tensor:
    """An open mouth is brighter, a tense brow noisier."""
    centroid, flatness = surrogate(z)[:, :2].T
    mouth = features[:, FEATURES.index("mouth_open")]
    brow = features[:, FEATURES.index("brow_tension")]
    return 2.0 - correlation(mouth, centroid) - correlation(brow, flatness)


def example_loss(
    regressor: Regressor, features: Tensor, targets: Targets, rng: torch.Generator
) -> Tensor:
    """Each example's face makes its sound, still and with the motion of a random row of `features`.

    A transient feature that the example names, one that is not neutral, keeps its value.
    """
    if not len(targets.faces):
        return features.new_zeros(())
    random_rows = features[torch.randint(len(features), (len(targets.faces),), generator=rng)]
    is_free = TRANSIENT & (targets.faces == torch.from_numpy(neutral_features()))
    faces = torch.cat([targets.faces, torch.where(is_free, random_rows, targets.faces)])
    z: Tensor = regressor(faces)
    return (z - targets.z.repeat(2, 1)).square().mean()


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's r of two vectors."""
    return (standardise(a) * standardise(b)).mean()
