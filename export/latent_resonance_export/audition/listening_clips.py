"""Some real and as much generated sound to listen to, one as loud as the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.audition.generator import Subject
from latent_resonance_export.audition.invert import (
    DREAM_FRAMES,
    fade_ends,
    generated_columns,
    journey,
    level_alike,
    real_columns,
    sound_of_columns,
    write_wav,
)
from latent_resonance_export.audition.metrics import Measured, spread
from latent_resonance_export.cli.progress import Progress, counted

FloatArray = NDArray[np.float32]
SECONDS = 60.0


def write_sounds(
    measured: Measured,
    subject: Subject,
    folder: Path,
    *,
    seconds: float,
    seed: int,
    progress: Progress,
) -> list[tuple[str, str]]:
    """Writes real.wav, where there are real clips, and generated.wav.

    Returns
    -------
    (kind, file name) of each
    """
    geometry = subject.geometry
    n_loops = int(np.ceil(seconds / geometry.loop_s))
    columns = {"generated": _dreams(subject, n_loops, seed)}
    if measured.real is not None:
        clips = measured.real[spread(np.arange(len(measured.real)), n_loops)]
        columns = {"real": real_columns(clips, geometry), **columns}
    length = int(seconds * geometry.sample_rate)
    heard = []
    for kind, each in columns.items():
        hops = sound_of_columns(each, geometry, seed)
        n_hops = -(-length // geometry.hop_length)
        counting = counted(range(n_hops), f"sound, {kind}", n_hops, progress)
        heard.append(np.concatenate([next(hops) for _ in counting])[:length])
    for kind, samples in zip(columns, level_alike(heard), strict=True):
        faded = fade_ends(samples, geometry.sample_rate)
        write_wav(faded, folder / f"{kind}.wav", geometry.sample_rate)
    return [(kind, f"{kind}.wav") for kind in columns]


def _dreams(subject: Subject, n_loops: int, seed: int) -> Iterator[FloatArray]:
    """Columns of pictures on a journey that rests at a new z each turn."""
    geometry = subject.geometry
    n_dreams = -(-n_loops * geometry.n_frames // DREAM_FRAMES)
    z = journey(subject.draw(n_loops, seed), n_dreams)
    return generated_columns(subject.stream(z), geometry)
