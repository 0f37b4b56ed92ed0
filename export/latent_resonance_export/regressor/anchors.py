"""The anchors: tonal z to which a held face glides, each for about as many faces as any other."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from latent_resonance_export.regressor.surrogate import SurrogateData, tonal_order

POOL_SHARE = 4  # one in so many z is tonal enough
N_HELD = 2000  # faces that are held, among which the anchors are shared out
SWAPS = 4000


def share_out(first: Tensor, data: SurrogateData, held_z: Tensor, n: int, seed: int) -> Tensor:
    """`first` (latent_dim,) and n - 1 tonal z, so that none is nearest to few z of held faces.

    Half of the data are z that faces reach, so some of the pool are near any face. Begins with
    random ones and swaps any of them for another one of the pool if the faces are then shared out
    more evenly.

    held_z : (n_faces, latent_dim); returns (n, latent_dim)
    """
    tonal = data.z[tonal_order(data)[: max(len(data.z) // POOL_SHARE, n)]]
    pool = torch.cat([first[None], tonal])
    cosines = functional.normalize(held_z, dim=1) @ functional.normalize(pool, dim=1).T
    rng = torch.Generator().manual_seed(seed)
    order = 1 + torch.randperm(len(tonal), generator=rng)
    chosen = torch.cat([torch.zeros(1, dtype=torch.long), order[: n - 1]])
    best = evenness(cosines, chosen)
    for _ in range(SWAPS):
        swap, by = (
            torch.randint(n - 1, (), generator=rng),
            torch.randint(len(order), (), generator=rng),
        )
        other = chosen.clone()
        other[1 + swap] = order[by]
        found = evenness(cosines, other)
        if found > best and len(set(other.tolist())) == n:
            chosen, best = other, found
    return pool[chosen]


def evenness(cosines: Tensor, chosen: Tensor) -> float:
    """Sum of the logarithms of how many faces each chosen anchor is nearest to.

    cosines : (n_faces, n_pool); chosen : (n,)
    """
    counts = cosines[:, chosen].argmax(dim=1).bincount(minlength=len(chosen))
    return float((counts + 1).log().sum())
