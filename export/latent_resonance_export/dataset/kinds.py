"""How different the kinds of sound in one dataset are. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.dataset.clip_measures import FINGERPRINT_HARMONICS

MIN_SHARE = 0.1  # of the loops that a kind must have to count


def kind_of(source: str) -> str:
    """The kind of a recording: the folder that it is in; "." at the top."""
    return str(PurePosixPath(source).parent)


def mean_spectrum(fingerprint: NDArray[np.float16]) -> NDArray[np.float32]:
    """The mean level of each band of a fingerprint, without what changes over the loop."""
    spectrum: NDArray[np.float32] = fingerprint[::FINGERPRINT_HARMONICS].astype(np.float32)
    return spectrum


def separation(spectra: NDArray[np.float32], kinds: Sequence[str]) -> float:
    """Share of the variance of the mean spectra that lies between the kinds: 0..1.

    Eta squared of an analysis of variance, summed over the bands, over kinds of at least
    MIN_SHARE of the loops; 0 if there are fewer than two.

    Parameters
    ----------
    spectra : (n, n_bands)
    kinds : of each, (n,)
    """
    names = [name for name, n in Counter(kinds).items() if n >= MIN_SHARE * len(kinds)]
    if len(names) < 2:
        return 0.0
    groups = [spectra[[kind == name for kind in kinds]] for name in names]
    everything = np.concatenate(groups)
    total = float(np.square(everything - everything.mean(axis=0)).sum())
    within = sum(float(np.square(group - group.mean(axis=0)).sum()) for group in groups)
    return 1.0 - within / max(total, 1e-9)
