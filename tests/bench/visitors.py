"""Measures how the eye sees visitors: clips of real people, and films of the tests' photograph.

    OMP_NUM_THREADS=1 uv run --all-packages python tests/bench/visitors.py FOLDER [OPTIONS]

A script, not a test: it prints the Markdown tables of docs/benchmarks.md, with the limit beside
each figure. FOLDER holds clips of real people, *.mkv and *.mp4; progress goes to stderr. The exit
status is 0 if every limit is met, 1 if one is missed, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.support import composed_films, film_pictures, films  # noqa: E402  the path comes first
from tests.support.reading_plot import draw  # noqa: E402
from tests.support.readings import (  # noqa: E402
    Reading,
    alike,
    limit,
    read,
    statistic,
    value_of,
)
from tests.support.sized_clips import Clip, at_eyes_px, clip_of  # noqa: E402

from latent_resonance.config.settings import Settings, TrackerName  # noqa: E402
from latent_resonance.eye.camera.image import Image  # noqa: E402

TRACKERS: tuple[TrackerName, ...] = ("mediapipe", "light")
SIZES = (40, 32, 24, 20, 16)  # pixels between the outer corners of the eyes
NEAR_PX, FAR_PX = 80, 24
SIGNERS = "face-"  # clips of one person each, who is in every image
ALL_OF_IT = (0.0, 99.0)
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
RANGE_LIMITS = ("mouth_open p95 ≤ 0.15", "brow_tension p95 ≤ 0.15")
EVERYWHERE, EVERYWHERE_SIZES, EVERYWHERE_S = "everywhere", (60, 24, 16), 2.0
RANGE_FILMS = ("rest, still", "wide mouth", "frown")
TABLES = ("films", "range", "people", "empty", "clips", "far", "sizes")
PAIR = ("face-no", "face-sorry")  # the clips of which films of two people are made
OF_CLIPS = "clips: "  # begins the name of a film that is made of clips
ALIKE = "alike share ≥ 0.5"
ABSENT = "presence share ≤ 0"
PEOPLE = (*composed_films.PEOPLE, composed_films.HIDDEN)
EMPTY_ROOMS, NOISE = composed_films.EMPTY_ROOMS, "noise images"
Cast = tuple[composed_films.Actor, composed_films.Actor]
EPILOG = """\
tables:
  films   each film at its own size, what is due of it
  range   a few films with the face 130 to 16 pixels wide, found at several places
  people  two people, a portrait, a hand before the face; of the photograph and of two clips
  empty   films and noise images without people: no visitor
  clips   each clip as it is
  far     each clip of one person shrunk to 24 pixels between the eye corners, against itself near
  sizes   each clip of one person shrunk to 40, 32, 24, 20 and 16 pixels: still found and followed

examples:
  visitors.py CLIPS                                     everything, some minutes
  visitors.py CLIPS --tracker light --films frown 'rest*'
  visitors.py CLIPS --clips 'head-*' --plots /tmp/plots
  visitors.py CLIPS --tables far sizes --json far.json
  visitors.py --films --rate 15,20,30                   without clips
"""


@dataclass(frozen=True)
class Row:
    """One figure, in one line of a table."""

    table: str
    what: str
    tracker: str
    rate: float  # 0: the clip's own
    figure: str
    value: float
    bound: str
    met: bool

    def __str__(self) -> str:
        value = "–" if math.isnan(self.value) else f"{self.value:.3g}"
        rate = f"{self.rate:g}" if self.rate else "its own"
        figure = self.figure.replace("|", "\\|")  # which ends a column
        columns = (self.what, self.tracker, rate, figure, value, self.bound)
        mark = ("ok" if self.met else "**MISSED**") if self.bound else ""
        return f"| {' | '.join(columns)} | {mark} |"


@dataclass(frozen=True)
class Bench:
    """One tracker's turn: what to measure, and where to draw."""

    tracker: TrackerName
    rates: tuple[float, ...]
    films: tuple[str, ...]  # patterns
    clips: dict[str, Clip]
    pair: tuple[Clip, Clip] | None  # of which films of two people are made
    plots: Path | None
    noise_images: int

    def read(self, name: str, images: Iterator[Image] | list[Image], rate: float = 30.0) -> Reading:
        """The reading of a film, drawn if plots are asked for."""
        began_s = time.monotonic()
        choice = {"eye": {"tracker": self.tracker}, "camera": {"images_per_s": rate}}
        reading = read(images, Settings.model_validate(choice))
        took_s = time.monotonic() - began_s
        print(f"{self.tracker}: {name} ({took_s:.1f} s)", file=sys.stderr, flush=True)
        if self.plots:
            draw(reading, self.plots / f"{name.replace(' ', '-')}-{self.tracker}.png")
        return reading

    def row(self, table: str, what: str, sentence: str, value: float, rate: float = 0.0) -> Row:
        """A row with a value that was computed elsewhere."""
        due = limit(sentence)
        met = due.met(value)
        return Row(table, what, self.tracker, rate, str(due), value, due.bound_text, met)

    def rows(
        self,
        table: str,
        what: str,
        sentences: Sequence[str],
        reading: Reading,
        window_s: tuple[float, float] = ALL_OF_IT,
        rate: float = 0.0,
    ) -> Iterator[Row]:
        """A row for each limit of a film."""
        for sentence in sentences:
            value = value_of(limit(sentence), reading, window_s)
            yield self.row(table, what, sentence, value, rate)

    def wants(self, name: str) -> bool:
        return any(fnmatchcase(name, pattern) for pattern in self.films)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures and prints."""
    options = options_of(arguments)
    clips = clips_of(options)
    rows: list[Row] = []
    for row in measured(options, clips):
        if not rows or rows[-1].table != row.table:
            print(f"\n**{row.table}**\n")
            print("| what | tracker | images/s | figure | value | limit | |\n" + "|---" * 7 + "|")
        rows.append(row)
        print(row, flush=True)
    missed, limits = sum(not row.met for row in rows), sum(bool(row.bound) for row in rows)
    print(f"\n{limits - missed} of {limits} limits met")
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))
    return 1 if missed else 0


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="?", metavar="FOLDER", help="clips of people, *.mkv and *.mp4")
    add("--tracker", choices=(*TRACKERS, "both"), default="both", help="both by default")
    add("--rate", default="20", help="images/s of the films, such as 15,20,30; 20 by default")
    add("--films", nargs="*", metavar="NAME", help="only these films; patterns such as 'rest*'")
    add("--clips", nargs="*", metavar="NAME", help="only these clips; patterns such as 'head-*'")
    add("--tables", nargs="+", choices=TABLES, help="only these tables; all by default")
    add("--noise", type=int, default=500, metavar="N", help="noise images, 500 by default")
    add("--plots", type=Path, metavar="FOLDER", help="a plot, PNG, of each clip and film")
    add("--json", type=Path, metavar="FILE", help="the rows of the tables")
    return checked(parser, parser.parse_args(arguments))


def checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options, with every selection as a tuple; exits with 2 if one selects nothing."""
    try:
        options.rates = tuple(float(rate) for rate in options.rate.split(","))
    except ValueError:
        parser.error(f"--rate {options.rate}: not numbers; give images/s such as 15,20,30")
    if not all(1 <= rate <= 120 for rate in options.rates):
        parser.error(f"--rate {options.rate}: give 1 to 120 images/s")
    if options.folder is not None and not options.folder.is_dir():
        parser.error(f"{options.folder} is not a folder")
    if options.folder is None and options.films is None:
        parser.error("name a FOLDER of clips, or --films for the films alone")
    options.trackers = TRACKERS if options.tracker == "both" else (options.tracker,)
    options.tables = options.tables or TABLES
    neither = options.films is None and options.clips is None
    options.films = selection(options.films, by_default=neither)
    options.clips = selection(options.clips, by_default=neither)
    for pattern in options.films:
        if not any(fnmatchcase(name, pattern) for name in film_names()):
            parser.error(f"no film is named {pattern}; films: {'; '.join(film_names())}")
    return options


def selection(names: list[str] | None, *, by_default: bool) -> tuple[str, ...]:
    """Patterns: everything if the option stands without names, or if nothing is selected."""
    if names is None:
        return ("*",) if by_default else ()
    return tuple(names) or ("*",)


def film_names() -> list[str]:
    sizes = [at_size(name, size) for name in RANGE_FILMS for size in films.SIZES]
    everywhere = [f"{EVERYWHERE}, {size} px" for size in EVERYWHERE_SIZES]
    of_clips = [OF_CLIPS + name for name in composed_films.PEOPLE]
    return [*films.FILMS, *sizes, *everywhere, *PEOPLE, *of_clips, *EMPTY_ROOMS, NOISE]


def at_size(name: str, eyes_px: int) -> str:
    return f"{name}, {eyes_px} px"


def measured(options: argparse.Namespace, clips: dict[str, Clip]) -> Iterator[Row]:
    """All rows, table by table."""
    tables: dict[str, Callable[[Bench], Iterator[Row]]] = {
        "films": film_rows,
        "range": range_rows,
        "people": people_rows,
        "empty": empty_rows,
        "clips": clip_rows,
        "far": far_rows,
        "sizes": size_rows,
    }
    pair = pair_of(options) if "people" in options.tables else None
    if options.plots:
        options.plots.mkdir(parents=True, exist_ok=True)
    for name in options.tables:
        for tracker in options.trackers:
            bench = Bench(
                tracker, options.rates, options.films, clips, pair, options.plots, options.noise
            )
            yield from tables[name](bench)


# --- films ------------------------------------------------------------------------------------


def film_rows(bench: Bench) -> Iterator[Row]:
    """Each film at the size of the photograph."""
    for name in filter(bench.wants, films.FILMS):
        for rate in bench.rates:
            film = films.film(name)
            reading = bench.read(f"{name} at {rate:g}", film.images(rate), rate)
            yield from bench.rows("films", name, films.FOUND, reading, ALL_OF_IT, rate)
            due = films.LIMITS[name]
            yield from bench.rows("films", name, due, reading, film.window_s, rate)


def range_rows(bench: Bench) -> Iterator[Row]:
    """Films with the face at several sizes, against the photograph's own."""
    rate = bench.rates[0]
    for name in RANGE_FILMS:
        sizes = [size for size in films.SIZES if bench.wants(at_size(name, size))]
        if not sizes:
            continue
        near = bench.read(name, films.film(name).images(rate), rate)
        for i, size in enumerate(sizes):
            view = film_pictures.View(size, films.PLACES[i % len(films.PLACES)])
            film, what = films.film(name, view), at_size(name, size)
            reading = bench.read(what, film.images(rate), rate)
            yield from bench.rows("range", what, films.FOUND, reading, ALL_OF_IT, rate)
            if size >= FAR_PX:
                due = RANGE_LIMITS
                yield from apart_rows(
                    bench, "range", what, due, (reading, near), film.window_s, rate
                )

    for size in EVERYWHERE_SIZES:
        what = f"{EVERYWHERE}, {size} px"
        if bench.wants(what):
            yield from everywhere_rows(bench, what, size, rate)


def everywhere_rows(bench: Bench, what: str, size: int, rate: float) -> Iterator[Row]:
    """The time until a face is found, wherever it is in the picture."""
    due, latest_s = "seen latest ≤ 0.5", 0.0
    for place in films.PLACES:
        film = replace(
            films.film("rest, still", film_pictures.View(size, place)), seconds=EVERYWHERE_S
        )
        reading = bench.read(f"{what}, at {place}", film.images(rate), rate)
        latest_s = max(latest_s, value_of(limit(due), reading, ALL_OF_IT))
    yield bench.row("range", what, due, latest_s, rate)


def apart_rows(
    bench: Bench,
    table: str,
    what: str,
    sentences: Sequence[str],
    readings: tuple[Reading, Reading],
    window_s: tuple[float, float] = ALL_OF_IT,
    rate: float = 0.0,
) -> Iterator[Row]:
    """A row for each limit on how far a feature differs between two readings of one film."""
    for sentence in sentences:
        due = limit(sentence)
        value = statistic(differences(*readings, due.source, window_s), due.statistic)
        row = bench.row(table, what, sentence, value, rate)
        yield replace(row, figure=f"{due} of the difference")


def differences(
    one: Reading, other: Reading, feature: str, window_s: tuple[float, float] = ALL_OF_IT
) -> NDArray[np.float64]:
    """How far a feature differs, in each image of a time in which both see a face."""
    within = (one.times_s >= window_s[0]) & (one.times_s < window_s[1])
    both = one.present & other.present & within
    return np.abs(one.feature(feature) - other.feature(feature))[both]


def people_rows(bench: Bench) -> Iterator[Row]:
    """Films of several people: who plays, against the film of that person alone."""
    for start, cast in casts_of(bench).items():
        named = composed_films.PEOPLE if start else PEOPLE
        selected = [name for name in named if bench.wants(start + name)]
        if not selected:
            continue
        made = composed_films.all_films(*cast())
        for name in selected:
            for rate in bench.rates:
                yield from composed_rows(bench, start + name, made[name], rate)


def casts_of(bench: Bench) -> dict[str, Callable[[], Cast]]:
    """The two people, by the beginning of the names of their films."""
    pair = bench.pair
    if pair is None:
        return {"": composed_films.photographs}

    def filmed() -> Cast:
        one, two = (composed_films.filmed(c.images, c.eyes_px, c.centre) for c in pair)
        return one, two

    return {"": composed_films.photographs, OF_CLIPS: filmed}


def composed_rows(
    bench: Bench, name: str, made: composed_films.Composed, rate: float
) -> Iterator[Row]:
    """What is due of a film of several people."""
    reading = bench.read(f"{name} at {rate:g}", made.film.images(rate), rate)
    yield from bench.rows("people", name, made.limits, reading, ALL_OF_IT, rate)
    if made.alone is not None:
        alone = bench.read(f"{name}, alone, at {rate:g}", made.alone.images(rate), rate)
        yield bench.row("people", name, ALIKE, alike(reading, alone, made.alike_s), rate)


def empty_rows(bench: Bench) -> Iterator[Row]:
    """Films without people, in which no visitor may be seen."""
    for name in filter(bench.wants, EMPTY_ROOMS):
        for rate in bench.rates:
            images = composed_films.empty_rooms()[name].images(rate)
            reading = bench.read(f"{name} at {rate:g}", images, rate)
            yield from bench.rows("empty", name, (ABSENT,), reading, ALL_OF_IT, rate)
    if bench.wants(NOISE):
        reading = bench.read(NOISE, composed_films.noise_images(bench.noise_images))
        what = f"{bench.noise_images} {NOISE}"
        yield from bench.rows("empty", what, (ABSENT,), reading, (0.0, float("inf")))


# --- clips ------------------------------------------------------------------------------------


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


if __name__ == "__main__":
    sys.exit(main())
