"""Sound files of real and of generated clips, of equal length and level."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latent_resonance_export.audition.invert import (
    FRAMES_PER_Z,
    columns_to_audio,
    fade_ends,
    generated_columns,
    match_levels,
    real_columns,
    write_wav,
    z_path,
)
from latent_resonance_export.audition.metrics import Measurements
from latent_resonance_export.audition.subject import Subject
from latent_resonance_export.gan.validation import spread
from latent_resonance_export.progress import ProgressCallback, counted

FloatArray = NDArray[np.float32]
SECONDS = 60.0


def write_sounds(
    measurements: Measurements,
    subject: Subject,
    folder: Path,
    *,
    seconds: float,
    seed: int,
    progress: ProgressCallback,
) -> list[tuple[str, str]]:
    """Writes real.wav, if there are real clips, and generated.wav.

    Returns
    -------
    (kind, file name) of each
    """
    geometry = subject.geometry
    n_loops = int(np.ceil(seconds / geometry.loop_s))
    columns = {"generated": _generated_columns(subject, n_loops, seed)}
    if measurements.real is not None:
        clips = measurements.real[spread(np.arange(len(measurements.real)), n_loops)]
        columns = {"real": real_columns(clips, geometry), **columns}
    length = int(seconds * geometry.sample_rate)
    audio = []
    for kind, each in columns.items():
        hops = columns_to_audio(each, geometry, seed)
        n_hops = -(-length // geometry.hop_length)
        counting = counted(range(n_hops), f"sound, {kind}", n_hops, progress)
        audio.append(np.concatenate([next(hops) for _ in counting])[:length])
    for kind, samples in zip(columns, match_levels(audio), strict=True):
        faded = fade_ends(samples, geometry.sample_rate)
        write_wav(faded, folder / f"{kind}.wav", geometry.sample_rate)
    return [(kind, f"{kind}.wav") for kind in columns]


def _generated_columns(subject: Subject, n_loops: int, seed: int) -> Iterator[FloatArray]:
    """Columns of spectrograms along a path of z that rests at a new z each period."""
    geometry = subject.geometry
    n_steps = -(-n_loops * geometry.n_frames // FRAMES_PER_Z)
    z = z_path(subject.draw_z(n_loops, seed), n_steps)
    return generated_columns(subject.spectrograms_of(z), geometry)
