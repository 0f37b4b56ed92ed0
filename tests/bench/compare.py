"""Quality and processor time of phase reconstruction, compared with other implementations.

One process, one thread, the same magnitudes in the pack's geometry. Prints a table; optionally
writes the plot and its rows. The measures are defined in phases/measures.py, the methods in
phases/methods.py, with the reasons for leaving others out.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

import torch  # noqa: E402  the path comes first
from tests.bench.phases.measures import Row, measure, warm_up  # noqa: E402
from tests.bench.phases.methods import Method, has_pghipy, methods  # noqa: E402
from tests.bench.phases.plot import draw  # noqa: E402
from tests.bench.phases.signals import Signal, signals  # noqa: E402
from tests.bench.phases.summary import measurements, tables, target_lines  # noqa: E402

from latent_resonance import LatentResonanceError  # noqa: E402
from latent_resonance.audio.spectrogram import Geometry  # noqa: E402
from latent_resonance.linux.atomic_file import atomic_path  # noqa: E402
from latent_resonance.pack import open_pack  # noqa: E402

PACK = ROOT / "models" / "cello"
QUICK = Geometry(n_frames=64)
QUICK_METHODS = ("ours 3-2", "ours 7-7", "librosa 8", "torch 8", "pghipy+torch 0")
EXAMPLES = """\
examples:
  python tests/bench/compare.py                                  the table, a few minutes
  python tests/bench/compare.py --plot docs/phase.png --csv docs/phase.csv
  python tests/bench/compare.py --quick --json -                 only correctness, a few seconds
  uv run --all-packages --with pghipy python tests/bench/compare.py      with one more method

exit codes: 0 all targets are met (--quick has none), 1 a target is missed, 2 wrong usage
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    options = options_of(arguments)
    torch.set_num_threads(1)  # as numpy's and scipy's FFTs
    try:
        rows = list(rows_of(options))
        found = list(measurements(rows))
        if options.json != "-":  # before the files, one of which may not be writable
            print("\n".join([*tables(rows), *target_lines(found)]))
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
        help="a few methods, computed sounds of less than a second, no pack",
    )
    add("--json", metavar="FILE", help="as `latent-resonance bench --json`; - for stdout")
    add("--csv", type=Path, metavar="FILE", help="every single measurement")
    add("--plot", type=Path, metavar="PNG", help="quality over cost")
    return parser.parse_args(arguments)


def positive(text: str) -> int:
    """A count of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; use 1 or more")
    return int(text)


def rows_of(options: argparse.Namespace) -> list[Row]:
    """Measure everything, with progress on stderr."""
    pack = None if options.quick else options.pack
    geometry = open_pack(pack).geometry if pack else QUICK
    selected = [m for m in methods() if not options.quick or m.name in QUICK_METHODS]
    sounds = list(signals(geometry, pack, modelled=options.quick))
    log_plan(sounds, selected)
    warm_up(selected, geometry)
    rows = list(measure(sounds, selected, geometry, options.turns, log))
    log("measured")
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return rows


def log_plan(sounds: Sequence[Signal], selected: Sequence[Method]) -> None:
    """Print the sources of the sounds, and which method is missing."""
    sources = ", ".join(f"{sound.name} ({sound.source})" for sound in sounds)
    print(f"{len(selected)} methods on {sources}", file=sys.stderr)
    if not has_pghipy():
        print(
            "pghipy is not installed and is left out; `uv run --with pghipy` adds it",
            file=sys.stderr,
        )


def log(line: str) -> None:
    """Print progress: on a terminal each line replaces the last."""
    begin, end = ("\r\033[K", "") if sys.stderr.isatty() else ("", "\n")
    print(f"{begin}{line}", end=end, file=sys.stderr, flush=True)


def write(
    options: argparse.Namespace, rows: Sequence[Row], found: Sequence[dict[str, object]]
) -> None:
    """Write the requested files.

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
    """Write one line per row."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(rows[0])), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow(
                {k: f"{v:.4f}" if isinstance(v, float) else v for k, v in asdict(row).items()}
            )


if __name__ == "__main__":
    sys.exit(main())
