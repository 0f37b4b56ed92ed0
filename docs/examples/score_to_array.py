"""Render a score (a CSV of face features over time) to a NumPy array, and save it.

    python docs/examples/score_to_array.py score.csv models/cello out.npy

A score needs a column time_s and at least one feature, such as mouth_open:

    time_s,mouth_open
    0,0
    2,1
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from latent_resonance import Settings, render_samples


def samples_of(score: Path, pack: str) -> np.ndarray:
    """What the instrument plays for a score: (n,) float32 in -1..1, at the pack's sample rate."""
    return render_samples(score, Settings(pack=pack), seed=0)


if __name__ == "__main__":
    score, pack, target = sys.argv[1:]
    samples = samples_of(Path(score), pack)
    np.save(target, samples)
    print(f"{len(samples)} samples, peak {np.abs(samples).max():.3f}")
