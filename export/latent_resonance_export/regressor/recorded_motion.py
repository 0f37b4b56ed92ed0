"""Recorded movement: scores that `latent-resonance features` wrote, as rows to learn from.

Only the moments in which somebody is present count. The last part of each score is kept
for measuring: the regressor never learns from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import FEATURES
from latent_resonance.score import RATE_HZ, read_score
from latent_resonance_export.regressor.model import RegressorError

FloatArray = NDArray[np.float32]
KEPT_SHARE = 0.2  # of each score, from its end: for measuring
SHORTEST_S = 1.0


@dataclass(frozen=True)
class Recorded:
    """Rows of features, in the features' order and units, at the rate of scores."""

    names: tuple[str, ...]  # of the files
    learnt: FloatArray  # (n, 16)
    kept: FloatArray  # (m, 16), for measuring

    @property
    def seconds(self) -> float:
        """Of a face that was there."""
        return (len(self.learnt) + len(self.kept)) / RATE_HZ


def read_movement(paths: Iterable[Path]) -> Recorded:
    """All scores among the files and, one level deep, in the folders.

    Raises
    ------
    RegressorError
        A path is missing, a folder holds no score, or nobody is seen for a second.
    ScoreError
        A file is no score.
    """
    files = [file for path in paths for file in _scores_at(path)]
    tracks = [_present(file) for file in files]
    cuts = [round(len(track) * (1 - KEPT_SHARE)) for track in tracks]
    return Recorded(
        tuple(file.name for file in files),
        np.concatenate([track[:cut] for track, cut in zip(tracks, cuts, strict=True)]),
        np.concatenate([track[cut:] for track, cut in zip(tracks, cuts, strict=True)]),
    )


def _scores_at(path: Path) -> list[Path]:
    if not path.exists():
        raise RegressorError(
            f"there is no {path}: latent-resonance features CLIP -o {path} writes a score"
        )
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() == ".csv")
    if not found:
        raise RegressorError(
            f"{path} holds no score (*.csv): latent-resonance features CLIP -o {path}/NAME.csv "
            "writes one"
        )
    return found


def _present(path: Path) -> FloatArray:
    """Features of the moments in which somebody is there: (n, 16)."""
    rows = [state.features for state in read_score(path).states() if state.present]
    if len(rows) < SHORTEST_S * RATE_HZ:
        raise RegressorError(
            f"{path}: somebody is present for {len(rows) / RATE_HZ:.1f} s, at least "
            f"{SHORTEST_S:g} s are needed: leave the score out, or take it from a clip that shows "
            "a face"
        )
    return np.array(rows, np.float32).reshape(-1, len(FEATURES))
