"""How cost grows: each part of the instrument as a function of the quantities that can be set.

Prints a row per curve with the fitted law; optionally writes the plot and its points. Processor
time on one thread; the curves are defined in growing/curves.py.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

import torch  # noqa: E402  the path comes first
from tests.bench.growing.curves import Curve, curves  # noqa: E402
from tests.bench.growing.measures import MeasuredCurve, measure, rows, table  # noqa: E402
from tests.bench.growing.plot import draw  # noqa: E402

from latent_resonance import LatentResonanceError  # noqa: E402
from latent_resonance.linux.atomic_file import atomic_path  # noqa: E402

EXAMPLES = """\
examples:
  python tests/bench/growth.py                                      every curve, some ten minutes
  python tests/bench/growth.py phase voice --seconds 2              two parts, longer each
  python tests/bench/growth.py --hour --plot docs/growth.png --csv docs/growth.csv

exit codes: 0 measured, 1 a curve cannot be measured, 2 wrong usage
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write."""
    options = options_of(arguments)
    torch.set_num_threads(1)
    selected = [c for c in curves(hour=options.hour) if matches(c, options.parts)]
    if not selected:
        names = sorted({part_name(curve) for curve in curves()})
        print(f"growth: no such part; name some of {', '.join(names)}", file=sys.stderr)
        return 2
    try:
        found = list(measure(selected, options.seconds, options.turns, log))
        print(*table(found), sep="\n")
        write(options, found)
    except LatentResonanceError as error:
        print(f"growth: {error}", file=sys.stderr)
        return 1
    return 0


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="growth.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("parts", nargs="*", metavar="PART", help="parts to measure: phase, voice … (default: all)")
    add(
        "--seconds",
        type=float,
        default=1.0,
        metavar="S",
        help="longest time a point (default: 1)",
    )
    add("--turns", type=int, default=3, metavar="N", help="measure a point N times (default: 3)")
    add(
        "--hour",
        action="store_true",
        help="also render a video of an hour: half an hour more",
    )
    add("--csv", type=Path, metavar="FILE", help="every point")
    add("--plot", type=Path, metavar="PNG", help="every curve with its law")
    return parser.parse_args(arguments)


def part_name(curve: Curve) -> str:
    """The part of the instrument that a curve measures."""
    return curve.title.partition(",")[0]


def matches(curve: Curve, parts: Sequence[str]) -> bool:
    """Whether the curve belongs to one of these parts; none means all."""
    return not parts or part_name(curve) in parts


def log(line: str) -> None:
    """Print progress."""
    print(line, file=sys.stderr, flush=True)


def write(options: argparse.Namespace, found: Sequence[MeasuredCurve]) -> None:
    """Write the requested files.

    Raises
    ------
    OutputFileError
        One cannot be written.
    """
    if options.csv:
        with atomic_path(options.csv) as beside, beside.open("w", newline="") as file:
            points = list(rows(found))
            writer = csv.DictWriter(file, list(points[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(points)
    if options.plot:
        draw(found, options.plot)


if __name__ == "__main__":
    sys.exit(main())
