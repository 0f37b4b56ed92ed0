"""Table `clips`: the sound of real faces, over the seconds in which the eye sees them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tests.bench.answering.bench import Bench
from tests.bench.answering.figures import Figure, at_least, at_most
from tests.bench.answering.measures import (
    CHANGE_S,
    STEP_S,
    change_db_per_s,
    integrated_lufs,
    roll_off_hz,
    third_octaves_db,
    windows_lufs,
)
from tests.bench.answering.playing import (
    OPEN_FILTER,
    Changes,
    duration_s,
    geometry_of,
    present_at,
    settings_of,
    take_sound,
)

from latent_resonance.audio.loudness import MOMENTARY_S
from latent_resonance.face_state import FaceState

TABLE = "clips"
SOFT_WINDOW_S = 0.5


@dataclass(frozen=True)
class ClipSound:
    """What one clip sounds like.

    Attributes
    ----------
    change, unfiltered : dB/s per third-octave, before the loudness stage
    momentary_lufs : (n,), of each 400 ms in which a face is present throughout
    softest_lufs : of the 0.5 s windows in which a face is present throughout
    integrated_lufs, roll_off_hz : of the whole take
    """

    change: float
    unfiltered: float
    momentary_lufs: NDArray[np.float64]
    softest_lufs: float
    integrated_lufs: float
    roll_off_hz: float


def clip_figures(bench: Bench) -> Iterator[Figure]:
    """The figures of each clip with each pack."""
    for pack in bench.packs:
        label = f"{TABLE}: {pack}"
        sounds = bench.each(label, partial(clip_sound, pack), bench.clips.values())
        for name, sound in zip(bench.clips, sounds, strict=True):
            yield from figures_of(pack, name, sound)


def clip_sound(pack: str, states: list[FaceState]) -> ClipSound:
    """Render a clip three times: as it is played, before the loudness stage, and unfiltered."""
    seconds, rate = duration_s(states), geometry_of(pack).sample_rate
    played = take_sound(states, pack, seconds)
    momentary = windows_with_face(played, rate, states, MOMENTARY_S)
    return ClipSound(
        change=change_of(states, pack, seconds),
        unfiltered=change_of(states, pack, seconds, OPEN_FILTER),
        momentary_lufs=momentary,
        softest_lufs=min(windows_with_face(played, rate, states, SOFT_WINDOW_S), default=np.nan),
        integrated_lufs=integrated_lufs(played, rate),
        roll_off_hz=roll_off_hz(played, rate),
    )


def change_of(states: list[FaceState], pack: str, seconds: float, *changes: Changes) -> float:
    """Change before the loudness stage, while a face is present."""
    sound = take_sound(states, pack, seconds, *changes, loudness=False)
    bands_db = third_octaves_db(sound, geometry_of(pack).sample_rate)
    return change_db_per_s(bands_db, present_at(states, np.arange(bands_db.shape[1]) * CHANGE_S))


def windows_with_face(
    sound: NDArray[np.floating], sample_rate: int, states: list[FaceState], seconds: float
) -> NDArray[np.float64]:
    """LUFS of each window in which a face is present throughout."""
    starts_s, lufs = windows_lufs(sound, sample_rate, seconds)
    n_steps = round(seconds / STEP_S)
    present = present_at(states, np.arange(len(starts_s) + n_steps - 1) * STEP_S)
    throughout = np.lib.stride_tricks.sliding_window_view(present, n_steps).all(axis=1)
    return lufs[throughout]


def figures_of(pack: str, clip: str, sound: ClipSound) -> Iterator[Figure]:
    """The rows of one clip."""
    target_lufs = settings_of(pack).output.loudness_lufs
    figure = partial(Figure, TABLE, pack, clip)
    yield figure("change", "dB/s per third-octave", sound.change)
    yield figure("change unfiltered", "dB/s per third-octave", sound.unfiltered)
    share = sound.change / sound.unfiltered
    yield figure("change, share of unfiltered", "", share, at_least(0.85))
    apart = sound.momentary_lufs - target_lufs
    low, middle, high = np.percentile(apart, (5, 50, 95)) if len(apart) else [np.nan] * 3
    yield figure("momentary loudness from the target, p5", "LU", low, at_least(-6.0))
    yield figure("momentary loudness from the target, p95", "LU", high, at_most(6.0))
    yield figure("momentary loudness from the target, median", "LU", middle)
    yield figure("integrated loudness", "LUFS", sound.integrated_lufs)
    yield figure("softest 0.5 s with a face", "LUFS", sound.softest_lufs, at_least(-45.0))
    yield figure("95 % roll-off", "Hz", sound.roll_off_hz)
