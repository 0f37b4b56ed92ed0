"""Trains the regressor: features -> z, without a single labelled face.

It learns from composed movement. A surrogate, fitted once to what the frozen generator makes
of thousands of z, tells it how a z sounds, so that no spectrogram has to be made while it
learns. Five wishes, in this order of weight:

1. z follows the generator's prior;
2. a small movement makes a small change (bounded slope: no flashing);
3. different faces make different sounds (distances in z follow distances of features);
4. an open mouth is brighter, a tense brow noisier (correlation);
5. the still, neutral face lands on a pure anchor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from latent_resonance.face_state import FEATURES
from latent_resonance_export.descriptors import NAMES, describe
from latent_resonance_export.losses import prior_loss
from latent_resonance_export.movement import compose_movement, still_face
from latent_resonance_export.networks import LoopGenerator, unit_norm

STEEPEST = 6.0  # change of z (unit mean square) per unit of weighted features
# how strongly each feature may lead: poses and expressions fully, noisy velocities hardly
WEIGHTS = {
    "mouth_width": 1.5,
    "head_yaw": 2.0,
    "head_pitch": 2.5,
    "head_roll": 2.5,
    "yaw_velocity": 0.05,
    "pitch_velocity": 0.05,
    "roll_velocity": 0.05,
    "mouth_velocity": 0.02,
    "brow_velocity": 0.02,
    "eye_open": 0.3,
    "motion": 0.4,
    "stillness": 0.4,
}


class Regressor(nn.Module):
    """(batch, 16) -> (batch, latent_dim) of unit mean square."""

    def __init__(self, latent_dim: int, width: int = 96) -> None:
        super().__init__()
        scale = torch.tensor([WEIGHTS.get(name, 1.0) for name in FEATURES])
        self.register_buffer("scale", scale)
        self.layers = nn.Sequential(
            nn.Linear(len(FEATURES), width),
            nn.Tanh(),
            nn.Linear(width, width),
            nn.Tanh(),
            nn.Linear(width, latent_dim),
        )

    def forward(self, features: Tensor) -> Tensor:
        """See the class; features in their own units, unscaled."""
        return unit_norm(self.layers(features * self.scale))


@dataclass(frozen=True)
class Heard:
    """What the generator makes of many z: z (n, latent_dim), descriptors (n, 4)."""

    z: Tensor
    descriptors: Tensor


@dataclass(frozen=True)
class Trained:
    """A regressor and what it rests on; anchors (12, latent_dim), the first for the still face."""

    regressor: Regressor
    anchors: Tensor
    heard: Heard
    report: dict[str, float]


@torch.no_grad()
def listen(generator: LoopGenerator, n: int, seed: int, progress: Callable[[int], None]) -> Heard:
    """Decodes n random z and describes them."""
    z = unit_norm(
        torch.randn(n, generator.latent_dim, generator=torch.Generator().manual_seed(seed))
    )
    parts = []
    for chunk in z.split(16):
        parts.append(describe(generator(chunk)))
        progress(len(chunk))
    return Heard(z, torch.cat(parts))


def choose_anchors(heard: Heard, n: int = 12) -> Tensor:
    """The purest, steadiest z, spread by greedy k-centre (Gonzalez 1985): (n, latent_dim)."""
    _, flatness, level, flux = heard.descriptors.T
    audible = level > level.quantile(0.3)
    score = standard(flatness) + standard(flux) + torch.where(audible, 0.0, 10.0)
    pure = heard.z[score.argsort()[: max(len(score) // 16, n)]]
    chosen = [0]
    while len(chosen) < n:
        distance = torch.cdist(pure, pure[chosen]).min(dim=1).values
        chosen.append(int(distance.argmax()))
    return pure[chosen]


def standard(x: Tensor) -> Tensor:
    """Zero mean, unit deviation."""
    return (x - x.mean(dim=0)) / (x.std(dim=0) + 1e-9)


def fit_surrogate(heard: Heard, steps: int = 1500) -> nn.Module:
    """A small network from z to its standardised descriptors."""
    torch.manual_seed(0)
    target = standard(heard.descriptors)
    network = nn.Sequential(
        nn.Linear(heard.z.shape[1], 128), nn.LeakyReLU(0.2), nn.Linear(128, len(NAMES))
    )
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=0.05)
    for step in range(steps):
        chosen = torch.randint(len(target), (256,), generator=torch.Generator().manual_seed(step))
        loss = (network(heard.z[chosen]) - target[chosen]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.requires_grad_(False)


def correlation(a: Tensor, b: Tensor) -> Tensor:
    """Pearson's r of two vectors."""
    return (standard(a) * standard(b)).mean()


def wishes(
    regressor: Regressor,
    surrogate: nn.Module,
    features: Tensor,
    anchor: Tensor,
    chance: torch.Generator,
) -> dict[str, Tensor]:
    """The five losses on a batch of features (n, 16)."""
    z = regressor(features)
    nudge = 0.05 * torch.randn(features.shape, generator=chance) / regressor.scale
    moved = (regressor(features + nudge) - z).norm(dim=1) / (nudge * regressor.scale).norm(dim=1)
    slope = moved / z.shape[1] ** 0.5
    shuffled = torch.randperm(len(z), generator=chance)
    apart = ((features - features[shuffled]) * regressor.scale).norm(dim=1)
    z_apart = (z - z[shuffled]).norm(dim=1) / (2 * z.shape[1]) ** 0.5
    centroid, flatness = surrogate(z)[:, :2].T
    mouth = features[:, FEATURES.index("mouth_open")]
    brow = features[:, FEATURES.index("brow_tension")]
    rest = regressor(torch.from_numpy(still_face())[None])
    return {
        "prior": prior_loss(z, chance),
        "slope": torch.relu(slope - STEEPEST).square().mean(),
        "spread": (z_apart - (1 - torch.exp(-2.0 * apart))).square().mean() * 4.0,
        "controls": 2.0 - correlation(mouth, centroid) - correlation(brow, flatness),
        "rest": (rest - anchor).square().mean(),
    }


def train_regressor(
    generator: LoopGenerator,
    *,
    steps: int = 3000,
    n_listen: int = 4000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Trained:
    """Listens, fits, trains and measures; `progress` is told (stage, done now, of how many)."""
    generator.eval()
    heard = listen(generator, n_listen, seed, lambda n: progress("listening", n, n_listen))
    anchors, surrogate = choose_anchors(heard), fit_surrogate(heard)
    movement = torch.from_numpy(compose_movement(3600.0, seed))
    torch.manual_seed(seed)
    regressor = Regressor(generator.latent_dim)
    optimiser = torch.optim.Adam(regressor.parameters(), 1e-3)
    for step in range(steps):
        chance = torch.Generator().manual_seed(seed + step)
        batch = movement[torch.randint(len(movement), (256,), generator=chance)]
        loss = sum(wishes(regressor, surrogate, batch, anchors[0], chance).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        progress("training", 1, steps)
    return Trained(regressor, anchors, heard, report(regressor, generator, anchors, seed))


@torch.no_grad()
def report(
    regressor: Regressor, generator: LoopGenerator, anchors: Tensor, seed: int
) -> dict[str, float]:
    """Measured through the real generator, on movement it has not seen."""
    movement = compose_movement(600.0, seed + 1)[::60]
    features = torch.from_numpy(movement)
    z = regressor(features)
    sounds = torch.cat([describe(generator(chunk)) for chunk in z.split(16)]).numpy()
    rest = regressor(torch.from_numpy(still_face())[None])
    apart = torch.pdist(z).numpy()
    return {
        "rank_correlation_mouth_centroid": _rank(movement, "mouth_open", sounds[:, 0]),
        "rank_correlation_brow_flatness": _rank(movement, "brow_tension", sounds[:, 1]),
        "rank_correlation_distance": round(
            float(spearmanr(torch.pdist(features * regressor.scale).numpy(), apart)[0]), 3
        ),
        "coverage_of_z": round(float(np.mean(apart) / (2 * z.shape[1]) ** 0.5), 3),
        "rest_to_anchor": round(float((rest - anchors[0]).norm() / anchors[0].norm()), 4),
    }


def _rank(movement: NDArray[np.float32], name: str, sound: NDArray[np.float32]) -> float:
    return round(float(spearmanr(movement[:, FEATURES.index(name)], sound)[0]), 3)
