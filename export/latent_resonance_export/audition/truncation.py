"""Calm to wild: diversity against distance for each truncation, of the loops that faces play."""

from __future__ import annotations

import csv
import io
from dataclasses import astuple, dataclass, fields

import numpy as np
from numpy.typing import NDArray

from latent_resonance.face_state import neutral_features
from latent_resonance.voice.synthesis.truncation import Truncation
from latent_resonance_export.audition.diversity import diversity
from latent_resonance_export.audition.subject import Subject
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.metrics import all_patches, swd_of_patches
from latent_resonance_export.gan.validation import spread
from latent_resonance_export.progress import ProgressCallback, counted, no_progress
from latent_resonance_export.regressor.synthetic_motion import composed_faces

FloatArray = NDArray[np.float32]
AMOUNTS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5)
FACES = 64  # composed faces at each amount, and held-out clips, at most
PAIRS = 32  # of the diversity


@dataclass(frozen=True)
class Row:
    """What one truncation does.

    diversity : mean MS-SSIM distance of pairs, see audition/diversity.py
    swd : sliced Wasserstein distance from held-out clips; None without a dataset
    """

    truncation: float
    diversity: float
    swd: float | None


def truncation_rows(
    subject: Subject,
    dataset: Dataset | None,
    *,
    clips: int = FACES,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
) -> list[Row]:
    """A row for each of AMOUNTS; none for a run without a regressor.

    clips : composed faces, at most FACES; 2 or more
    """
    if subject.regressor is None:
        return []
    n, real = min(clips, FACES), None
    if dataset is not None:
        held_out = np.flatnonzero(dataset.held_out)
        n = min(n, len(held_out))
        real = all_patches(dataset.spectrograms(spread(held_out, n)), seed)
    if n < 2:
        return []
    z = subject.regressor(composed_faces(n, seed))
    centre = subject.regressor(neutral_features()[None])[0]
    return [
        _row(subject, amount, Truncation(amount, centre)(z), real, seed)
        for amount in counted(AMOUNTS, "calm to wild", len(AMOUNTS), progress)
    ]


def _row(
    subject: Subject, amount: float, z: FloatArray, real: list[FloatArray] | None, seed: int
) -> Row:
    """The figures of the spectrograms of z (n, latent_dim)."""
    spectrograms = np.stack(list(subject.spectrograms_of(z.astype(np.float32))))
    distance = None
    if real is not None:
        distance = round(swd_of_patches(real, all_patches(spectrograms, seed + 1000), seed), 1)
    return Row(amount, round(diversity(spectrograms, PAIRS, seed), 3), distance)


def as_csv(rows: list[Row]) -> str:
    """The rows with a header; a missing distance is blank."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Row)])
    writer.writerows(astuple(row) for row in rows)
    return text.getvalue()


def as_text(rows: list[Row]) -> str:
    """The rows for a terminal; empty without rows."""
    if not rows:
        return ""
    lines = [f"{'truncation':>10}  {'diversity':>9}  {'distance':>8}"]
    for row in rows:
        distance = "–" if row.swd is None else f"{row.swd:.1f}"
        lines.append(f"{row.truncation:>10g}  {row.diversity:>9.3f}  {distance:>8}")
    return "\n".join(lines)
