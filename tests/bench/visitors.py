"""Measures how the eye sees visitors: clips of real people, and films of the tests' photograph.

    OMP_NUM_THREADS=1 uv run --all-packages python tests/bench/visitors.py FOLDER [OPTIONS]

A script, not a test: it prints the Markdown tables of docs/benchmarks.md, with the limit beside
each figure. FOLDER holds clips of real people, *.mkv and *.mp4; progress goes to stderr. The exit
status is 0 if every limit is met, 1 if one is missed, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.bench.seeing.bench import TRACKERS, Bench, Row  # noqa: E402  the path comes first
from tests.bench.seeing.clip_tables import (  # noqa: E402
    clip_rows,
    clips_of,
    far_rows,
    pair_of,
    size_rows,
)
from tests.bench.seeing.film_tables import (  # noqa: E402
    empty_rows,
    film_names,
    film_rows,
    people_rows,
    range_rows,
)
from tests.support.sized_clips import Clip  # noqa: E402

TABLES: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "films": film_rows,
    "range": range_rows,
    "people": people_rows,
    "empty": empty_rows,
    "clips": clip_rows,
    "far": far_rows,
    "sizes": size_rows,
}
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


def measured(options: argparse.Namespace, clips: dict[str, Clip]) -> Iterator[Row]:
    """All rows, table by table."""
    pair = pair_of(options) if "people" in options.tables else None
    if options.plots:
        options.plots.mkdir(parents=True, exist_ok=True)
    for name in options.tables:
        for tracker in options.trackers:
            bench = Bench(
                tracker, options.rates, options.films, clips, pair, options.plots, options.noise
            )
            yield from TABLES[name](bench)


if __name__ == "__main__":
    sys.exit(main())
