"""Recorded movement: scores that `latent-resonance features` wrote, as rows of features.

Only rows in which a face is present count. The last part of each score is held out for
evaluation: the regressor is never trained on it.
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
HELD_OUT_SHARE = 0.2  # of each score, from its end
SHORTEST_S = 1.0


@dataclass(frozen=True)
class Recorded:
    """Rows of features, in the features' order and units, at the rate of scores."""

    names: tuple[str, ...]  # of the files
    training: FloatArray  # (n, 16)
    held_out: FloatArray  # (m, 16), for evaluation

    @property
    def seconds(self) -> float:
        """Seconds in which a face is present."""
        return (len(self.training) + len(self.held_out)) / RATE_HZ


def read_movement(paths: Iterable[Path]) -> Recorded:
    """All scores among the files and, one level deep, in the folders.

    Raises
    ------
    RegressorError
        A path is missing, a folder holds no score, or a score shows a face for under a second.
    ScoreError
        A file is no score.
    """
    files = [file for path in paths for file in _scores_at(path)]
    tracks = [_present(file) for file in files]
    cuts = [round(len(track) * (1 - HELD_OUT_SHARE)) for track in tracks]
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
    """The features of the rows in which a face is present: (n, 16)."""
    rows = [state.features for state in read_score(path).states() if state.present]
    if len(rows) < SHORTEST_S * RATE_HZ:
        raise RegressorError(
            f"{path}: a face is present for {len(rows) / RATE_HZ:.1f} s, at least "
            f"{SHORTEST_S:g} s are needed: leave the score out, or take it from a clip that shows "
            "a face"
        )
    return np.array(rows, np.float32).reshape(-1, len(FEATURES))
