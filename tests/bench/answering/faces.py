"""Tables `poses`, `brow` and `head`: computed faces, each control alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray
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
# dB of flatness that a tense brow adds at mouth_open 0.6, median of the poses: of 0.2.0's sound
# (85c3e0c, measured 2026-11-27 by this table), which must not fall. Of (whole voice, same loop).
BASELINE_DB = {"cello": (26.8, 18.7), "voices": (28.0, 13.9)}
LEAST_FLATTER_DB = 10.0  # at mouth_open 0
BROW_LEAD_HOPS = 94  # a second, until smoothing has settled
HALF_OPEN = 0.6  # of mouth_open
STILL = {"stillness": 1.0}  # what the eye says of a face that is held still
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
    """A tense brow against a relaxed one, with the mouth closed and half open.

    In the whole voice the brow also selects another spectrogram, through the regressor; with the
    same spectrogram, only its noise is measured.
    """
    for pack in bench.packs:
        for i, effect in enumerate((tense_voice, tense_loop)):
            what = ("whole voice", "same spectrogram")[i]
            jobs = [(pose, mouth) for mouth in (0.0, HALF_OPEN) for pose in POSES]
            found = bench.each(f"brow: {pack}, {what}", partial(effect, pack), jobs)
            closed, half_open = np.array(found).reshape(2, len(POSES), 2)
            baseline_db = BASELINE_DB.get(pack, (np.nan, np.nan))[i]
            yield from effect_figures(pack, f"{what}, mouth_open 0", closed, LEAST_FLATTER_DB)
            name = f"{what}, mouth_open {HALF_OPEN:g}"
            yield from effect_figures(pack, name, half_open, baseline_db)


def effect_figures(
    pack: str, what: str, effects: NDArray[np.float64], due_db: float
) -> Iterator[Figure]:
    """The rows of (flatness, loudness) added in each pose, the neutral one first: (n_poses, 2)."""
    flatter_db, louder_lu = effects.T
    figure = partial(Figure, "brow", pack, what)
    due = None if np.isnan(due_db) else at_least(due_db)
    yield figure("flatness gained, neutral", "dB", flatter_db[0])
    yield figure("flatness gained, median of poses", "dB", float(np.median(flatter_db)), due)
    yield figure("flatness gained, least of poses", "dB", flatter_db.min())
    yield figure("loudness gained, neutral", "LU", louder_lu[0])
    apart_lu = float(np.median(np.abs(louder_lu)))
    yield figure("loudness apart, median of poses", "LU", apart_lu, at_most(1.0))
    yield figure("loudness apart, most of poses", "LU", np.abs(louder_lu).max())


def tense_voice(pack: str, job: tuple[str, float]) -> tuple[float, float]:
    """(dB of flatness, LU) that a tense brow adds to a pose, as played by the whole voice."""
    relaxed = POSES[job[0]] | {"mouth_open": job[1]}
    return added(pack, *(face_sound(pack, still(v), BROW_S) for v in (relaxed, relaxed | TENSE)))


def tense_loop(pack: str, job: tuple[str, float]) -> tuple[float, float]:
    """The same with the spectrogram of the relaxed face."""
    relaxed = POSES[job[0]] | {"mouth_open": job[1]}
    arrivals, geometry = {0: spectrogram_of(pack, face_z(pack, face(**relaxed)))}, geometry_of(pack)
    n_hops, lead = BROW_LEAD_HOPS + round(BROW_S / geometry.hop_s), BROW_LEAD_HOPS
    sounds = (
        loop_sound(pack, arrivals, n_hops, still(values), loudness=True)[
            lead * geometry.hop_length :
        ]
        for values in (relaxed, relaxed | TENSE)
    )
    return added(pack, *sounds)


def added(pack: str, relaxed: FloatArray, tense: FloatArray) -> tuple[float, float]:
    """(dB of flatness, LU) by which one sound exceeds the other."""
    rate = geometry_of(pack).sample_rate
    return (
        flatness_db(tense) - flatness_db(relaxed),
        integrated_lufs(tense, rate) - integrated_lufs(relaxed, rate),
    )


# --- head -------------------------------------------------------------------------------------


def head_figures(bench: Bench) -> Iterator[Figure]:
    """A shaken head against one that is held still, with the mouth closed."""
    for pack in bench.packs:
        moved, rested = bench.each(
            f"head: {pack}",
            partial(head_change, pack),
            (shaking(SHAKE_RAD, SHAKE_HZ), still(STILL)),
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
