"""Phase reconstruction side by side: quality and processor time of ours and of its peers.

One process, one thread, the same magnitudes in the pack's geometry. Prints a table; writes the
plot and the rows behind it where asked. The measures are defined in phases/measures.py, the peers
and the reasons for leaving others out in phases/methods.py.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from tests.bench.phases.measures import Row, measure, warm_up
from tests.bench.phases.methods import Method, methods, pghipy_is_there
from tests.bench.phases.plot import draw
from tests.bench.phases.signals import Signal, signals
from tests.bench.phases.summary import measurements, tables, verdicts

from latent_resonance import LatentResonanceError
from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance.pack import open_pack

PACK = Path(__file__).resolve().parents[2] / "models" / "cello"
QUICK = Geometry(n_frames=64)
QUICK_METHODS = ("ours 3-2", "ours 7-7", "librosa 8", "torch 8", "pghipy+torch 0")
EXAMPLES = """\
examples:
  python tests/bench/compare.py                                  the table, some minutes
  python tests/bench/compare.py --plot docs/phase.png --csv docs/phase.csv
  python tests/bench/compare.py --quick --json -                 correctness alone, some seconds
  uv run --all-packages --with pghipy python tests/bench/compare.py      with one peer more

exit codes: 0 every figure owed is met (--quick owes none), 1 one is missed, 2 wrong usage
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, prints and writes."""
    options = options_of(arguments)
    torch.set_num_threads(1)  # numpy's and scipy's FFTs have no more
    try:
        rows = list(rows_of(options))
        found = list(measurements(rows))
        if options.json != "-":  # before the files: one that cannot be written loses no figure
            print("\n".join([*tables(rows), *verdicts(found)]))
        write(options, rows, found)
    except LatentResonanceError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    return int(any(measurement["ok"] is False for measurement in found))


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="compare.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--turns", type=positive, default=1, metavar="N", help="measure all N times (default: 1)")
    add("--pack", type=Path, default=PACK, metavar="FOLDER", help="(default: models/cello)")
    add(
        "--quick",
        action="store_true",
        help="a few methods, computed sounds of under a second, no pack",
    )
    add("--json", metavar="FILE", help="figures as `latent-resonance bench --json`; - for stdout")
    add("--csv", type=Path, metavar="FILE", help="every single measurement")
    add("--plot", type=Path, metavar="PNG", help="quality over cost")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """A count of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no count; name 1 or more")
    return int(text)


def rows_of(options: argparse.Namespace) -> list[Row]:
    """Everything measured, with its progress on stderr."""
    pack = None if options.quick else options.pack
    geometry = open_pack(pack).geometry if pack else QUICK
    some = [m for m in methods() if not options.quick or m.name in QUICK_METHODS]
    contexts = list(signals(geometry, pack, modelled=options.quick))
    say_what_is_measured(contexts, some)
    warm_up(some, geometry)
    rows = list(measure(contexts, some, geometry, options.turns, said))
    said("measured")
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return rows


def say_what_is_measured(contexts: Sequence[Signal], some: Sequence[Method]) -> None:
    """Where the sounds are from, and which peer is missing."""
    sources = ", ".join(f"{context.name} ({context.source})" for context in contexts)
    print(f"{len(some)} methods on {sources}", file=sys.stderr)
    if not pghipy_is_there():
        print(
            "pghipy is not installed and left out; `uv run --with pghipy` adds it", file=sys.stderr
        )


def said(what: str) -> None:
    """Progress: on a terminal one line that replaces the last, in a log one after the other."""
    begin, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{begin}{what}", end=end, file=sys.stderr, flush=True)


def write(
    options: argparse.Namespace, rows: Sequence[Row], found: Sequence[dict[str, object]]
) -> None:
    """The files asked for.

    Raises
    ------
    OutputFileError
        One cannot be written.
    """
    if options.csv:
        with atomic_path(options.csv) as beside:
            write_csv(rows, beside)
    if options.plot:
        draw(rows, options.plot)
    if options.json == "-":
        print(json.dumps(found, indent=1))
    elif options.json:
        with atomic_path(Path(options.json)) as beside:
            beside.write_text(json.dumps(found, indent=1) + "\n")


def write_csv(rows: Sequence[Row], path: Path) -> None:
    """One line a measurement."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in asdict(row).items()}
            )


if __name__ == "__main__":
    sys.exit(main())
