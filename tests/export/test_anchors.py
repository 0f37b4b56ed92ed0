"""Anchors are tonal, and shared out among the faces that are held."""

from __future__ import annotations

import torch

from latent_resonance_export.regressor.anchors import share_out
from latent_resonance_export.regressor.surrogate import SurrogateData, random_z

RNG = torch.Generator().manual_seed(3)
CENTRE = random_z(1, 32, RNG)


def faces(n: int) -> torch.Tensor:
    """Faces that crowd around one direction, as those of composed movement do."""
    return CENTRE + 0.8 * random_z(n, 32, RNG)


HELD = faces(1000)
Z = torch.cat([random_z(400, 32, RNG), faces(400)])
DATA = SurrogateData(Z, torch.rand(800, 4, generator=RNG), torch.zeros(800, 1))


def shares(anchors: torch.Tensor) -> torch.Tensor:
    cosines = torch.nn.functional.cosine_similarity(HELD[:, None], anchors[None], dim=2)
    return cosines.argmax(dim=1).bincount(minlength=len(anchors)) / len(HELD)


def test_every_anchor_takes_3_percent_of_the_faces_and_the_first_stays() -> None:
    first = HELD[0]
    anchors = share_out(first, DATA, HELD, 12, seed=0)
    assert torch.equal(anchors[0], first)
    assert len(anchors.unique(dim=0)) == 12
    assert shares(anchors).min() >= 0.03
    assert torch.equal(anchors, share_out(first, DATA, HELD, 12, seed=0))


def test_all_others_are_among_the_most_tonal_and_steady_quarter() -> None:
    _, flatness, level, flux = DATA.descriptors.T
    score = (flatness - flatness.mean()) / flatness.std() + (flux - flux.mean()) / flux.std()
    audible = level > level.quantile(0.3)
    limit = score[audible].sort().values[len(Z) // 4 - 1]
    for anchor in share_out(HELD[0], DATA, HELD, 12, seed=1)[1:]:
        row = int((anchor == Z).all(dim=1).nonzero()[0])
        assert audible[row]
        assert score[row] <= limit + 1e-5
