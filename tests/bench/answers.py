"""Measures how the sound answers a face: what is audible of each control, and what is lost.

    OMP_NUM_THREADS=1 uv run --all-packages python tests/bench/answers.py FOLDER [OPTIONS]

A script, not a test: it prints Markdown tables with the target beside each figure. FOLDER holds
clips of real people: face-yes.mkv, face-sorry.mkv, face-again.mkv and face-please.mkv. Progress
goes to stderr. The exit status is 0 if every target is met, 1 if one is missed, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.bench.answering.bench import SIGNERS, Bench  # noqa: E402  the path comes first
from tests.bench.answering.channels import channel_figures  # noqa: E402
from tests.bench.answering.clips import clip_figures  # noqa: E402
from tests.bench.answering.faces import brow_figures, head_figures, pose_figures  # noqa: E402
from tests.bench.answering.figures import Before, Figure, lines, read_json, write_json  # noqa: E402
from tests.bench.answering.glides import glide_figures  # noqa: E402
from tests.bench.answering.loops import mel_figures, silence_figures  # noqa: E402
from tests.bench.answering.playing import pack_of  # noqa: E402

from latent_resonance import LatentResonanceError  # noqa: E402

TABLES: dict[str, Callable[[Bench], Iterator[Figure]]] = {
    "clips": clip_figures,
    "poses": pose_figures,
    "brow": brow_figures,
    "head": head_figures,
    "silence": silence_figures,
    "glide": glide_figures,
    "channels": channel_figures,
    "mel": mel_figures,
}
PACKS = ("cello", "metal", "voices")
EPILOG = """\
tables (seconds of one core for one pack):
  clips      20  change against the unfiltered sound, loudness and roll-off on real faces
  poses      35  an open mouth against a closed one in seven poses
  brow      180  flatness and loudness that a tense brow adds, with the mouth closed and half open
  head       40  change while the head shakes, against holding still; of held notes too
  silence    70  the longest silence of loops and of the score, and the levels of the loops
  glide     400  pitch and level half way between 200 pairs of spectrograms (fewer: --pairs)
  channels  150  correlation, level and mono sum of two and of eight channels
  mel        25  what mel bands cost: true tones, and loops as played against as generated

Not here: phase reconstruction through mel of played sounds is in tests/bench/compare.py, processor
time in `latent-resonance bench`, the loudness cap and the limiter in the tests.

examples:
  answers.py CLIPS                                  all tables, all bundled packs
  answers.py CLIPS --tables clips --pack cello
  answers.py --tables brow head poses               without clips
  answers.py --tables glide --pairs 40 --workers 2
  answers.py CLIPS --json after.json --before before.json

exit codes: 0 all targets are met, 1 a target is missed, 2 wrong usage
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    options = options_of(arguments)
    figures: list[Figure] = []
    # Processes start afresh: a fork would copy the locks of ONNX Runtime's threads.
    workers = options.workers
    processes = ProcessPoolExecutor(workers, get_context("spawn")) if workers > 1 else nullcontext()
    with processes as pool:
        bench = Bench(options.folder, options.packs, options.pairs, pool)
        tables = (figure for name in options.tables for figure in TABLES[name](bench))
        for text, figure in lines(tables, options.before):
            print(text, flush=True)
            figures.append(figure)
    missed, due = sum(f.missed for f in figures), sum(f.target is not None for f in figures)
    print(f"\n{due - missed} of {due} targets met")
    if options.json:
        write_json(options.json, figures)
    return int(missed > 0)


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line; exits with 2 if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="answers.py",
        description=__doc__.partition("\n")[0],
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="?", metavar="FOLDER", help="clips of people, for table clips")
    add("--pack", action="append", metavar="NAME", help="name or folder; repeat for more; all "
        "bundled ones by default")  # fmt: skip
    add("--tables", nargs="+", choices=TABLES, metavar="TABLE", help="only these; all by default")
    add("--pairs", type=count, default=200, metavar="N", help="of table glide, 200 by default")
    add("--workers", type=count, default=1, metavar="N", help="processes, 1 by default")
    add("--json", type=Path, metavar="FILE", help="write the figures")
    add("--before", type=Path, metavar="FILE", help="figures of an earlier --json, shown beside")
    return checked(parser, parser.parse_args(arguments))


def count(text: str) -> int:
    """A count of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; use 1 or more")
    return int(text)


def checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    """The options, complete; exits with 2 if a file, a pack or the clips are missing."""
    options.tables = options.tables or list(TABLES)
    options.packs = options.pack or PACKS
    if "clips" in options.tables:
        check_clips(parser, options.folder)
    if options.json and not options.json.parent.is_dir():
        parser.error(f"--json {options.json}: no such folder; create {options.json.parent}")
    try:
        options.before = read_json(options.before) if options.before else Before()
        for pack in options.packs:
            pack_of(pack)
    except (LatentResonanceError, OSError, ValueError) as error:
        parser.error(str(error))
    return options


def check_clips(parser: argparse.ArgumentParser, folder: Path | None) -> None:
    """Exit with 2 unless the folder has every clip."""
    if folder is None:
        parser.error("table clips needs a FOLDER of clips; name one, or other --tables")
    for name in SIGNERS:
        if not (folder / f"{name}.mkv").is_file():
            parser.error(f"{folder} has no {name}.mkv; table clips needs {', '.join(SIGNERS)}")


if __name__ == "__main__":
    sys.exit(main())
