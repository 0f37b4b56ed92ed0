"""What a frozen generator sounds like: thousands of z heard once, then known by a surrogate.

Through the generator itself, a step of the regressor would take a second; through a small
network that was fitted to what was heard, a millisecond.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.gan.models.loop_vaegan import unit_norm
from latent_resonance_export.regressor.descriptors import NAMES, describe
from latent_resonance_export.regressor.model import RegressorError

BATCH = 16
N_ANCHORS = 12


@dataclass(frozen=True)
class Heard:
    """What the generator makes of many z.

    z : (n, latent_dim); descriptors : (n, 4), see descriptors.NAMES; spectra : (n, n_mels), the
    pictures' means over time
    """

    z: Tensor
    descriptors: Tensor
    spectra: Tensor


def random_z(n: int, latent_dim: int, rng: torch.Generator) -> Tensor:
    """From the prior, of unit mean square: (n, latent_dim)."""
    return unit_norm(torch.randn(n, latent_dim, generator=rng))


@torch.no_grad()
def listen(
    generator: nn.Module,
    z: Tensor,
    geometry: Geometry,
    progress: Callable[[int], None] = lambda _: None,
) -> Heard:
    """Decodes all z and describes what is heard.

    Raises
    ------
    RegressorError
        A picture holds what is no number.
    """
    descriptors, spectra = [], []
    for chunk in z.split(BATCH):
        pictures = generator(chunk).float()
        descriptors.append(describe(pictures, geometry.range_db))
        spectra.append(pictures.squeeze(1).mean(dim=2))
        progress(len(chunk))
    heard = Heard(z, torch.cat(descriptors), torch.cat(spectra))
    if not heard.descriptors.isfinite().all():
        raise RegressorError(
            "the generator draws values that are no numbers: train-gan goes on from an older "
            "checkpoint, or begins anew"
        )
    return heard


def together(a: Heard, b: Heard) -> Heard:
    """Both, one after the other."""
    return Heard(
        torch.cat([a.z, b.z]),
        torch.cat([a.descriptors, b.descriptors]),
        torch.cat([a.spectra, b.spectra]),
    )


def choose_anchors(heard: Heard, n: int = N_ANCHORS) -> Tensor:
    """The purest, steadiest z, spread by greedy k-centre (Gonzalez 1985): (n, latent_dim)."""
    _, flatness, level, flux = heard.descriptors.T
    audible = level > level.quantile(0.3)
    score = standard(flatness) + standard(flux) + torch.where(audible, 0.0, 10.0)
    pure = heard.z[score.argsort(stable=True)[: max(len(score) // 16, n)]]
    chosen = [0]
    while len(chosen) < n:
        distance = torch.cdist(pure, pure[chosen]).min(dim=1).values
        chosen.append(int(distance.argmax()))
    return pure[chosen]


def standard(x: Tensor) -> Tensor:
    """Zero mean, unit deviation."""
    return (x - x.mean(dim=0)) / (x.std(dim=0) + 1e-9)


def fit_surrogate(heard: Heard, seed: int, steps: int = 1500) -> nn.Module:
    """A small network from z to its standardised descriptors, (n, latent_dim) -> (n, 4).

    Its weights decay fast: some thousand z in a hundred dimensions invite it to learn by heart.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(heard.z.shape[1], 128), nn.SiLU(), nn.Linear(128, len(NAMES))
        )
    target, rng = standard(heard.descriptors), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1.0)
    for _ in range(steps):
        chosen = torch.randint(len(target), (256,), generator=rng)
        loss = (network(heard.z[chosen]) - target[chosen]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.requires_grad_(False)
