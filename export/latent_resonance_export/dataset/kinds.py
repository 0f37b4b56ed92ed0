"""How different the kinds of sound in one dataset are. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.clip_measures import FINGERPRINT_HARMONICS

MIN_SHARE = 0.05  # of the loops that a kind must have to count


def kind_of(source: str) -> str:
    """The kind of a recording: the folder that it is in; "." at the top."""
    return str(PurePosixPath(source).parent)


def mean_spectrum(fingerprint: NDArray[np.float16]) -> NDArray[np.float32]:
    """The mean level of each band of a fingerprint: (bands * harmonics,) -> (bands,).

    Without what changes over the loop.
    """
    spectrum: NDArray[np.float32] = fingerprint[::FINGERPRINT_HARMONICS].astype(np.float32)
    return spectrum


class Unlike(NamedTuple):
    """Two folders, and the share of the variance of their mean spectra that lies between them."""

    folders: tuple[str, ...] = ()
    separation: float = 0.0


NO_KINDS = Unlike()


def most_unlike(spectra: NDArray[np.float32], sources: Sequence[str]) -> Unlike:
    """The two folders, at any one depth, whose loops differ the most; none if there is one kind.

    Parameters
    ----------
    spectra : (n, n_bands)
    sources : paths of the recordings, (n,)
    """
    parents = [PurePosixPath(source).parent.parts for source in sources]
    depths = range(1, max(map(len, parents), default=0) + 1)
    found = [
        Unlike(pair, separation(groups[pair[0]], groups[pair[1]]))
        for depth in depths
        for groups in [_groups(spectra, ["/".join(parts[:depth]) or "." for parts in parents])]
        for pair in combinations(groups, 2)
    ]
    return max(found, key=lambda each: each.separation, default=NO_KINDS)


def _groups(spectra: NDArray[np.float32], kinds: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """The spectra of each kind that has at least MIN_SHARE of them."""
    names = [name for name, n in Counter(kinds).items() if n >= MIN_SHARE * len(kinds)]
    return {name: spectra[[kind == name for kind in kinds]] for name in names}


def separation(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """Share of the variance that lies between two sets (n, n_bands), each of equal weight: 0..1.

    Eta squared of an analysis of variance, summed over the bands.
    """
    between = float(np.square(first.mean(axis=0) - second.mean(axis=0)).sum()) / 4
    within = (
        sum(
            float(np.square(each - each.mean(axis=0)).sum(axis=1).mean())
            for each in (first, second)
        )
        / 2
    )
    return between / max(between + within, 1e-9)
