"""A fast surrogate of a frozen generator: a small network from z to descriptors of its sound.

Through the generator itself, one training step of the regressor would take a second; through the
surrogate, fitted to the descriptors of thousands of z, it takes a millisecond.
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
class SurrogateData:
    """What the generator makes of many z.

    z : (n, latent_dim); descriptors : (n, 4), see descriptors.NAMES; spectra : (n, n_mels), the
    spectrograms' means over time
    """

    z: Tensor
    descriptors: Tensor
    spectra: Tensor


def random_z(n: int, latent_dim: int, rng: torch.Generator) -> Tensor:
    """From the prior, of unit mean square: (n, latent_dim)."""
    return unit_norm(torch.randn(n, latent_dim, generator=rng))


@torch.no_grad()
def sample_generator(
    generator: nn.Module,
    z: Tensor,
    geometry: Geometry,
    progress: Callable[[int], None] = lambda _: None,
) -> SurrogateData:
    """Generates the spectrograms of all z and describes them.

    Raises
    ------
    RegressorError
        A spectrogram is not finite.
    """
    descriptors, spectra = [], []
    for chunk in torch.split(z, BATCH):
        spectrograms = generator(chunk).float()
        descriptors.append(describe(spectrograms, geometry.range_db))
        spectra.append(spectrograms.squeeze(1).mean(dim=2))
        progress(len(chunk))
    data = SurrogateData(z, torch.cat(descriptors), torch.cat(spectra))
    if not data.descriptors.isfinite().all():
        raise RegressorError(
            "the generator makes NaN or infinite values: continue train-gan from an older "
            "checkpoint, or begin another run"
        )
    return data


def concatenate(a: SurrogateData, b: SurrogateData) -> SurrogateData:
    """The rows of a, then those of b."""
    return SurrogateData(
        torch.cat([a.z, b.z]),
        torch.cat([a.descriptors, b.descriptors]),
        torch.cat([a.spectra, b.spectra]),
    )


def choose_anchors(data: SurrogateData, n: int = N_ANCHORS) -> Tensor:
    """The most tonal and steady z, spread by greedy k-centre (Gonzalez 1985): (n, latent_dim)."""
    tonal = data.z[tonal_order(data)[: max(len(data.z) // 16, n)]]
    chosen = [0]
    while len(chosen) < n:
        distance = torch.cdist(tonal, tonal[chosen]).min(dim=1).values
        chosen.append(int(distance.argmax()))
    return tonal[chosen]


def tonal_order(data: SurrogateData) -> Tensor:
    """Indices of z, the most tonal and steady first, the softest 30 % last: (n,)."""
    _, flatness, level, flux = data.descriptors.T
    audible = level > level.quantile(0.3)
    score = standardise(flatness) + standardise(flux) + torch.where(audible, 0.0, 10.0)
    return score.argsort(stable=True)


def standardise(x: Tensor) -> Tensor:
    """Zero mean, unit deviation."""
    return (x - x.mean(dim=0)) / (x.std(dim=0) + 1e-9)


def fit_surrogate(data: SurrogateData, seed: int, steps: int) -> nn.Module:
    """A small network from z to its standardised descriptors, (n, latent_dim) -> (n, 4).

    Its weight decay is strong: a few thousand z in a hundred dimensions invite overfitting.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(data.z.shape[1], 128), nn.SiLU(), nn.Linear(128, len(NAMES))
        )
    target, rng = standardise(data.descriptors), torch.Generator().manual_seed(seed)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1.0)
    for _ in range(steps):
        chosen = torch.randint(len(target), (256,), generator=rng)
        loss = (network(data.z[chosen]) - target[chosen]).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.requires_grad_(False)
