"""Tables `poses`, `brow` and `head`: computed faces, each control alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from tests.bench.answering.bench import Bench
from tests.bench.answering.figures import Figure, at_least, at_most
from tests.bench.answering.measures import (
    change_db_per_s,
    flatness_db,
    integrated_lufs,
    level_db,
    pitches_hz,
    third_octaves_db,
)
from tests.bench.answering.playing import (
    Movement,
    face_sound,
    face_z,
    geometry_of,
    loop_sound,
    random_z,
    shaking,
    spectrogram_of,
    still,
)
from tests.support.audio_measures import centroid_hz, face

from latent_resonance.audio.spectrogram import FloatArray, normalise_db, power_to_db

# Of tests/runtime/test_controls_in_sound.py, and the head lowered as it is raised there.
POSES: dict[str, dict[str, float]] = {
    "neutral": {},
    "turned left": {"head_yaw": 0.4},
    "turned right": {"head_yaw": -0.4},
    "head up": {"head_pitch": 0.3},
    "head down": {"head_pitch": -0.3},
    "brows raised": {"brow_raise": 0.7},
    "wide mouth": {"mouth_width": 0.6},
}
OPEN = {"mouth_open": 0.8, "jaw_open": 0.7}
POSE_S, POSE_SETTLE_S = 2.0, 2.0  # as in the test of the runtime
TENSE = {"brow_tension": 0.8}
BROW_S = 5.0
# flatness that a tense brow adds at mouth_open 0.6, of 0.2.0 (85c3e0c), which must not fall
BASELINE_FLATTER_DB = {"cello": 0.0, "voices": 0.0}
HALF_OPEN = 0.6  # of mouth_open
SHAKE_RAD, SHAKE_HZ, SHAKE_S = 0.35, 1.0, 4.0
HELD_NOTES = 6  # spectrograms
HELD_SETTLE_HOPS = 48


# --- poses ------------------------------------------------------------------------------------


def pose_figures(bench: Bench) -> Iterator[Figure]:
    """An open mouth against a closed one, in each of seven poses."""
    for pack in bench.packs:
        ratios = bench.each(f"poses: {pack}", partial(opening_ratio, pack), POSES.values())
        for name, ratio in zip(POSES, ratios, strict=True):
            yield Figure(
                "poses", pack, name, "centroid, open over closed", "", ratio, at_least(2.0)
            )


def opening_ratio(pack: str, pose: dict[str, float]) -> float:
    """By what an open mouth multiplies the centroid of a pose."""
    closed, opened = (
        centroid_hz(face_sound(pack, still(pose | mouth), POSE_S, settle_s=POSE_SETTLE_S))
        for mouth in ({}, OPEN)
    )
    return opened / closed


# --- brow -------------------------------------------------------------------------------------


def brow_figures(bench: Bench) -> Iterator[Figure]:
    """A tense brow against a relaxed one, with the mouth closed and half open."""
    for pack in bench.packs:
        mouths = (0.0, HALF_OPEN)
        jobs = [(pose, mouth) for mouth in mouths for pose in POSES]
        found = bench.each(f"brow: {pack}", partial(tension_effect, pack), jobs)
        effects = np.array(found).reshape(len(mouths), len(POSES), 2)
        for mouth, (flatter, louder) in zip(mouths, effects.swapaxes(1, 2), strict=True):
            figure = partial(Figure, "brow", pack, f"mouth_open {mouth:g}")
            due = 10.0 if mouth == 0.0 else BASELINE_FLATTER_DB.get(pack, np.nan)
            yield figure("flatness gained, neutral", "dB", flatter[0], at_least(due))
            yield figure("flatness gained, least of seven poses", "dB", flatter.min())
            yield figure("loudness gained, neutral", "LU", louder[0])
            yield figure("loudness apart, neutral", "LU", abs(louder[0]), at_most(1.0))
            yield figure("loudness apart, most of seven poses", "LU", np.abs(louder).max())


def tension_effect(pack: str, job: tuple[str, float]) -> tuple[float, float]:
    """(flatness in dB, loudness in LU) that a tense brow adds to a pose, as played, over 5 s."""
    pose, mouth_open = job
    relaxed = POSES[pose] | {"mouth_open": mouth_open}
    sounds = [face_sound(pack, still(values), BROW_S) for values in (relaxed, relaxed | TENSE)]
    rate = geometry_of(pack).sample_rate
    flat = [flatness_db(sound) for sound in sounds]
    loud = [integrated_lufs(sound, rate) for sound in sounds]
    return flat[1] - flat[0], loud[1] - loud[0]


# --- head -------------------------------------------------------------------------------------


def head_figures(bench: Bench) -> Iterator[Figure]:
    """A shaken head against one that is held still, with the mouth closed."""
    for pack in bench.packs:
        moved, rested = bench.each(
            f"head: {pack}", partial(head_change, pack), (shaking(SHAKE_RAD, SHAKE_HZ), still({}))
        )
        figure = partial(Figure, "head", pack)
        yield figure("whole voice", "change, still", "dB/s", rested)
        yield figure("whole voice", "change, shaken over still", "", moved / rested, at_least(2.0))
        jobs = range(HELD_NOTES)
        held = np.array(bench.each(f"head, held notes: {pack}", partial(held_changes, pack), jobs))
        moved_each, rested_each, cents, level = held.T
        ratio = moved_each.mean() / rested_each.mean()
        yield figure("held notes", "change, still", "dB/s", rested_each.mean())
        yield figure("held notes", "change, shaken over still", "", ratio, at_least(2.0))
        least = (moved_each / rested_each).min()
        yield figure("held notes", f"change, least of {HELD_NOTES} ratios", "", least)
        yield figure("held notes", "pitch apart, median", "cents", float(np.nanmedian(cents)))
        yield figure("held notes", "level apart, most", "dB", np.abs(level).max())


def head_change(pack: str, movement: Movement) -> float:
    """Change of the whole voice before the loudness stage, dB/s per third-octave."""
    return change_of(pack, face_sound(pack, movement, SHAKE_S, loudness=False))


def change_of(pack: str, sound: FloatArray) -> float:
    return change_db_per_s(third_octaves_db(sound, geometry_of(pack).sample_rate))


def held_changes(pack: str, index: int) -> tuple[float, float, float, float]:
    """Of one held note: (change shaken, change still, cents apart, dB apart)."""
    z = random_z(pack, (1, index)) if index else face_z(pack, face())
    spectrogram = held_note(pack, spectrogram_of(pack, z))
    geometry = geometry_of(pack)
    n_hops = HELD_SETTLE_HOPS + round(SHAKE_S / geometry.hop_s)
    moved, rested = (
        loop_sound(pack, {0: spectrogram}, n_hops, movement)[
            HELD_SETTLE_HOPS * geometry.hop_length :
        ]
        for movement in (shaking(SHAKE_RAD, SHAKE_HZ), still({}))
    )
    pitch_hz = [pitches_hz(sound, geometry.sample_rate) for sound in (moved, rested)]
    cents = 1200.0 * np.abs(np.log2(pitch_hz[0] / pitch_hz[1]))
    apart = float(np.median(cents[np.isfinite(cents)])) if np.isfinite(cents).any() else np.nan
    return (
        change_of(pack, moved),
        change_of(pack, rested),
        apart,
        level_db(moved) - level_db(rested),
    )


def held_note(pack: str, spectrogram: FloatArray) -> FloatArray:
    """The same in every frame: the spectrogram's mean power over time."""
    range_db = geometry_of(pack).range_db
    power = 10.0 ** ((spectrogram - 1.0) * range_db / 20.0)
    mean = normalise_db(power_to_db(power.mean(axis=1), range_db), range_db)
    return np.repeat(mean[:, None], spectrogram.shape[1], axis=1)
