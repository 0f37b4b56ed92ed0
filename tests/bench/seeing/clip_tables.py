"""The tables of clips of real people: as they are, and shrunk as if they stood farther away."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray
from tests.bench.seeing.bench import FAR_PX, NEAR_PX, Bench, Row, apart_rows, differences
from tests.bench.seeing.film_tables import OF_CLIPS
from tests.support import composed_films
from tests.support.readings import limit, statistic
from tests.support.sized_clips import Clip, at_eyes_px, clip_of

SIZES = (40, 32, 24, 20, 16)  # pixels between the outer corners of the eyes
SIGNERS = "face-"  # clips of one person each, who is in every image
# What is due of clips, by the beginning of their names: sentences of `readings.limit`.
CLIP_LIMITS = {
    SIGNERS: ("presence share ≥ 0.95", "seen after ≤ 0.5", "greetings number ≤ 1"),
    "head-female-and-male": ("brow_tension p95 ≤ 0.15",),
    "head-male": (
        "presence share ≥ 0.95",
        "brow_tension p95 from 0.6 to 3.0 ≤ 0.2",
        "brow_tension median from 3.4 to 5.0 ≥ 0.5",
    ),
    "walking-up": ("presence share ≥ 0.95",),
}
MEAN_PRESENCE = "presence mean ≥ 0.99"
FOLLOWED = "presence share ≥ 0.95"
FAR_LIMITS = ("mouth_open median ≤ 0.05", "mouth_open p95 ≤ 0.15", "brow_tension p95 ≤ 0.15")
PAIR = ("face-no", "face-sorry")  # the clips of which films of two people are made


def clips_of(options: argparse.Namespace) -> dict[str, Clip]:
    """The selected clips of the folder, by name."""
    if options.folder is None or not options.clips:
        return {}
    paths = sorted(path for path in options.folder.iterdir() if path.suffix in (".mkv", ".mp4"))
    chosen = [path for path in paths if any(fnmatchcase(path.stem, p) for p in options.clips)]
    return {path.stem: clip_of(path) for path in chosen}


def pair_of(options: argparse.Namespace) -> tuple[Clip, Clip] | None:
    """The clips for films of two people, if the folder has them and such a film is selected."""
    films_of_clips = (OF_CLIPS + name for name in composed_films.PEOPLE)
    if not any(fnmatchcase(name, p) for name in films_of_clips for p in options.films):
        return None
    paths = [options.folder / f"{name}.mkv" for name in PAIR] if options.folder else []
    if not paths or not all(path.exists() for path in paths):
        return None
    return clip_of(paths[0]), clip_of(paths[1])


def signers(bench: Bench) -> Iterator[Clip]:
    """The clips of one person each, in which a face was found."""
    for clip in bench.clips.values():
        if clip.name.startswith((SIGNERS, "head-male")) and math.isfinite(clip.eyes_px):
            yield clip


def clip_rows(bench: Bench) -> Iterator[Row]:
    """Each clip as it is."""
    shares = []
    for clip in bench.clips.values():
        reading = bench.read(clip.name, clip.images)
        for start, sentences in CLIP_LIMITS.items():
            if clip.name.startswith(start):
                yield from bench.rows("clips", clip.name, sentences, reading)
        if clip.name.startswith(SIGNERS):
            shares.append(float(reading.present.mean()))
    if shares:
        mean = float(np.mean(shares))
        yield bench.row("clips", f"all {SIGNERS}*", MEAN_PRESENCE, mean)


def far_rows(bench: Bench) -> Iterator[Row]:
    """Each clip of one person far away, against the same clip near; last, all of them together."""
    together: dict[str, list[NDArray[np.float64]]] = {sentence: [] for sentence in FAR_LIMITS}
    for clip in signers(bench):
        pair = tuple(
            bench.read(f"{clip.name}, {eyes_px} px", at_eyes_px(clip, eyes_px))
            for eyes_px in (FAR_PX, NEAR_PX)
        )
        for sentence, values in together.items():
            values.append(differences(pair[0], pair[1], limit(sentence).source))
        what = f"{clip.name}, {FAR_PX} px against {NEAR_PX} px"
        for row in apart_rows(bench, "far", what, FAR_LIMITS, (pair[0], pair[1])):
            yield replace(row, bound="", met=True)  # the limits are of all clips together
    for sentence, values in together.items():
        if values:
            due = limit(sentence)
            value = statistic(np.concatenate(values), due.statistic)
            row = bench.row("far", "all of them", sentence, value)
            yield replace(row, figure=f"{due} of the difference")


def size_rows(bench: Bench) -> Iterator[Row]:
    """The worst presence at each size, and the smallest size that is followed."""
    followed = float("inf")
    clips = list(signers(bench))
    for size in SIZES if clips else ():
        shares = {}
        for clip in clips:
            reading = bench.read(f"{clip.name}, {size} px", at_eyes_px(clip, size))
            shares[clip.name] = float(reading.present.mean())
        worst, mean = min(shares, key=shares.__getitem__), float(np.mean(list(shares.values())))
        what = f"{size} px, mean {mean:.2f}, worst {worst}"
        row = bench.row("sizes", what, FOLLOWED, shares[worst])
        followed = size if row.met else followed
        yield row
    if clips:
        yield bench.row("sizes", "smallest that is followed", "pixels apart ≤ 16", followed)
