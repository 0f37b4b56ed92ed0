"""Table `glide`: the pitch half way between two spectrograms, through the whole voice.

Each pair is played three times from the same frame: the first spectrogram alone, the second
instead of it, and the morph from one to the other. A frame of the morph is compared with the same
frame of both, so that notes that the loops play themselves do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tests.bench.answering.bench import Bench
from tests.bench.answering.figures import Figure, at_least, at_most
from tests.bench.answering.measures import (
    PITCH_HOP,
    SILENCE_DB,
    decibels,
    level_db,
    pitches_hz,
    third_octaves_db,
    ways,
)
from tests.bench.answering.playing import (
    OPEN_FILTER,
    Changes,
    geometry_of,
    loop_sound,
    random_z,
    spectrogram_of,
    still,
)

from latent_resonance.audio.spectrogram import FloatArray

MORPH_S = 0.5
MORPH = {"loop": {"morph_s": MORPH_S}}
AT_ONCE = {"loop": {"morph_s": 0.0}}
LEAD_S, TAIL_S = 0.64, 0.13  # around the morph; the lead holds the first morph, from silence
LEAST_OCTAVES = 2.0 / 12.0
ON_THE_WAY = (0.15, 0.85)
PITCH_MARGIN = 10  # frames on either side of the middle half, for pYIN to follow
MIDDLE_HALF, MIDWAY = (0.25, 0.75), (0.4, 0.6)  # of the morph
LEAST_VOICED = 0.8  # of the middle half of either end: a pair has two pitches
TRIES, STARTS = 40, 4  # pairs, and frames of each at which to start
N_IDENTICAL = 10
OPEN_MOUTH = still({"mouth_open": 1.0})


@dataclass(frozen=True)
class Pair:
    """The morph of one pair.

    Attributes
    ----------
    interval : octaves between the two pitches, median
    way : (n,), how far each voiced frame of the middle half is; frames count if both ends have
        pitches there, at least two semitones apart
    voiced : share of those frames that is voiced
    level_db : midway, against the mean of the two ends
    outside_db : midway, above the louder (positive) or below the softer end; 0 between them
    """

    interval: float
    way: NDArray[np.float64]
    voiced: float
    level_db: float
    outside_db: float


@dataclass(frozen=True)
class Sound:
    """Samples from the first spectrogram on, and the pitch of each frame of the middle half."""

    samples: FloatArray
    pitch_hz: NDArray[np.float64]


def glide_figures(bench: Bench) -> Iterator[Figure]:
    """The figures over all pairs, and over those within an octave."""
    for pack in bench.packs:
        label = f"glide: {pack}, pairs"
        found = bench.each(label, partial(pair_of, pack), range(bench.pairs))
        pairs = [pair for pair in found if pair is not None]
        yield from figures_of(pack, pairs)
        within = [pair for pair in pairs if pair.interval <= 1.0]
        yield Figure("glide", pack, "within an octave", "pairs", "", len(within))
        yield Figure(
            "glide", pack, "within an octave", "voiced frames that glide", "", gliding(within)
        )
        changes = bench.each(
            f"glide: {pack}, identical", partial(identical_change_db, pack), range(N_IDENTICAL)
        )
        yield Figure(
            "glide", pack, "identical pairs", "most that a third-octave changes", "dB",
            max(changes), at_most(0.1),
        )  # fmt: skip


def figures_of(pack: str, pairs: Sequence[Pair]) -> Iterator[Figure]:
    figure = partial(Figure, "glide", pack, "all pairs")
    yield figure("pairs", "", len(pairs))
    yield figure("voiced frames that glide", "", gliding(pairs), at_least(0.8))
    voiced = float(np.mean([pair.voiced for pair in pairs])) if pairs else np.nan
    yield figure("frames voiced", "", voiced, at_least(0.9))
    levels = [pair.level_db for pair in pairs] or [np.nan]
    low, middle = np.percentile(levels, (10, 50))
    yield figure("level midway from the ends' mean, median", "dB", float(middle))
    yield figure("level midway from the ends' mean, p10", "dB", float(low))
    outside = [abs(pair.outside_db) for pair in pairs] or [np.nan]
    worst = float(np.percentile(outside, 90))
    yield figure("level midway outside the ends', p90", "dB", worst, at_most(3.0))


def gliding(pairs: Sequence[Pair]) -> float:
    """Share of all voiced frames that lie on the way."""
    if not pairs:
        return float("nan")
    way = np.concatenate([pair.way for pair in pairs])
    return float(np.mean((way >= ON_THE_WAY[0]) & (way <= ON_THE_WAY[1]))) if len(way) else np.nan


def pair_of(pack: str, index: int) -> Pair | None:
    """The pair with this number: the first of its random candidates that has two pitches."""
    for attempt in range(TRIES):
        ends = [spectrogram_of(pack, random_z(pack, (4, index, attempt, end))) for end in (0, 1)]
        random = np.random.default_rng((5, index, attempt))
        for start in random.integers(geometry_of(pack).n_frames, size=STARTS):
            pair = measured(pack, *(np.roll(end, -start, axis=1) for end in ends))
            if pair is not None:
                return pair
    return None


def measured(pack: str, first: FloatArray, second: FloatArray) -> Pair | None:
    """The morph from the start of one spectrogram to another; None if it has not two pitches."""
    if quiet(first, pack) or quiet(second, pack):
        return None
    start = played(pack, {0: first})
    if np.isfinite(start.pitch_hz).mean() < LEAST_VOICED:
        return None
    end = played(pack, {0: first, lead_hops(pack): second}, AT_ONCE)
    octaves = np.abs(np.log2(end.pitch_hz / start.pitch_hz))
    counts = octaves >= LEAST_OCTAVES  # false where one of them is unvoiced
    if counts.mean() < LEAST_VOICED:
        return None
    morph = played(pack, {0: first, lead_hops(pack): second}, MORPH)
    pitches = (sound.pitch_hz[counts] for sound in (morph, start, end))
    return pair_from(ways(*pitches), octaves[counts], *levels_midway_db(pack, morph, start, end))


def pair_from(
    way: NDArray[np.float64], octaves: NDArray[np.float64], morph_db: float, *ends_db: float
) -> Pair:
    """The figures from the frames that count and the levels midway."""
    voiced = np.isfinite(way)
    above, below = max(morph_db - max(ends_db), 0.0), min(morph_db - min(ends_db), 0.0)
    return Pair(
        interval=float(np.median(octaves)),
        way=way[voiced],
        voiced=float(voiced.mean()),
        level_db=morph_db - float(np.mean(ends_db)),
        outside_db=above + below,
    )


def played(pack: str, arrivals: dict[int, FloatArray], *changes: Changes) -> Sound:
    """Before the loudness stage, with an open filter."""
    seconds = LEAD_S + MORPH_S + TAIL_S
    n_hops = round(seconds / geometry_of(pack).hop_s)
    samples = loop_sound(pack, arrivals, n_hops, OPEN_MOUTH, OPEN_FILTER, *changes)
    return Sound(samples, middle_pitches_hz(pack, samples))


def middle_pitches_hz(pack: str, samples: FloatArray) -> NDArray[np.float64]:
    """Of the frames of the middle half."""
    middle = frames_of(pack, MIDDLE_HALF)
    begin, end = (middle.start - PITCH_MARGIN) * PITCH_HOP, (middle.stop + PITCH_MARGIN) * PITCH_HOP
    pitch_hz = pitches_hz(samples[begin:end], geometry_of(pack).sample_rate)
    return pitch_hz[PITCH_MARGIN : PITCH_MARGIN + middle.stop - middle.start]


def levels_midway_db(pack: str, *sounds: Sound) -> list[float]:
    """Of each sound around the middle of the morph."""
    frames = frames_of(pack, MIDWAY)
    return [
        level_db(sound.samples[frames.start * PITCH_HOP : frames.stop * PITCH_HOP])
        for sound in sounds
    ]


def lead_hops(pack: str) -> int:
    """Hops before the morph."""
    return round(LEAD_S / geometry_of(pack).hop_s)


def frames_of(pack: str, part: tuple[float, float]) -> slice:
    """The pitch frames within a part of the morph, 0..1."""
    geometry = geometry_of(pack)
    start_s = lead_hops(pack) * geometry.hop_s
    edges = (
        round((start_s + share * MORPH_S) * geometry.sample_rate / PITCH_HOP) for share in part
    )
    return slice(*edges)


def quiet(spectrogram: FloatArray, pack: str) -> bool:
    """Whether a frame under the morph is silent: it has no pitch, and need not be played."""
    levels_db = (spectrogram - 1.0) * geometry_of(pack).range_db / 2.0
    energy_db = decibels((10.0 ** (levels_db / 10.0)).sum(axis=0))
    middle = frames_of(pack, MIDDLE_HALF)
    return bool((energy_db[middle] < energy_db.max() - SILENCE_DB).any())


def identical_change_db(pack: str, index: int) -> float:
    """The most that any third-octave differs when a spectrogram is received a second time."""
    spectrogram = spectrogram_of(pack, random_z(pack, (4, index, 0, 0)))
    rate, again = geometry_of(pack).sample_rate, {0: spectrogram, lead_hops(pack): spectrogram}
    once, twice = (
        third_octaves_db(played(pack, arrivals, MORPH).samples, rate)
        for arrivals in ({0: spectrogram}, again)
    )
    return float(np.abs(once - twice).max())
