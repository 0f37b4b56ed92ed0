"""Run the instrument with random visitors and faults for any length of time.

The instrument is an unchanged `latent-resonance perform`: the real eye with a camera simulated by
`fakecam.c`, and real PortAudio with a null sink that the soak records. The faults are those of the
tests in this folder.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.system.soaking.event_log import EventLog, judge, read_lines  # noqa: E402
from tests.system.soaking.faults import FAULTS, Fault  # noqa: E402
from tests.system.soaking.installation import INSTRUMENT, Installation  # noqa: E402
from tests.system.soaking.report import Line  # noqa: E402
from tests.system.soaking.soak_run import SoakRun  # noqa: E402  the path comes first

PACK = ROOT / "models" / "cello"
RESULTS = Path("runs") / "soak"
INTERRUPTED = 130
EXAMPLES = """\
It writes soak.jsonl (a line every few seconds and for every event), soak.png and summary.json,
at most about 40 MB in all. Ctrl-C ends it early, with a summary.

exit codes: 0 all well, 1 a failure (printed), 2 wrong usage

examples:
  python tests/system/soak.py                          three minutes
  python tests/system/soak.py --hours 8                a night
  python tests/system/soak.py --minutes 10 --faults "sink unloaded" "eye killed"
  python tests/system/soak.py --minutes 30 --faults    none: only visitors
  python tests/system/soak.py --judge runs/soak-1      evaluates an earlier one again
"""


def options_of(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="soak.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = [fault.name for fault in FAULTS]
    add("--hours", type=_positive, default=0.0, metavar="N", help="duration; may be 0.5")
    add("--minutes", type=_positive, default=0.0, metavar="N", help="added to the hours")
    add("--output", type=Path, metavar="FOLDER", help="new or empty (default: runs/soak-1, -2, …)")
    add("--pack", type=Path, default=PACK, metavar="FOLDER", help="(default: models/cello)")
    add("--seed", type=int, default=1, metavar="N", help="of visitors and faults (default: 1)")
    add(
        "--faults", nargs="*", choices=names, default=names, metavar="FAULT",
        help=f"only these (default: all): {'; '.join(names)}",
    )  # fmt: skip
    add(
        "--pause", type=_positive, default=20.0, metavar="S",
        help="mean seconds between two faults (default: 20)",
    )  # fmt: skip
    add(
        "--instrument", default=INSTRUMENT, metavar="COMMAND",
        help="used instead of this Python's latent_resonance, in shell syntax",
    )  # fmt: skip
    add("--judge", type=Path, metavar="FOLDER", help="only evaluate and plot an earlier soak")
    return parser.parse_args(arguments)


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 1e5:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def new_folder(target: Path | None) -> Path:
    """An empty folder for the results; earlier results are not overwritten."""
    n = 1
    while (folder := target or RESULTS.with_name(f"{RESULTS.name}-{n}")).exists():
        if target is not None and any(folder.iterdir()):
            raise SystemExit(f"{folder} is not empty; give --output a new folder")
        if target is not None:
            break
        n += 1
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def soak(options: argparse.Namespace, folder: Path) -> list[Line]:
    """Run a soak; return its lines."""
    seconds = 3600 * options.hours + 60 * options.minutes or 180.0
    faults: list[Fault] = [fault for fault in FAULTS if fault.name in options.faults]
    # The paths of sockets must be short, whatever the folder of the results is called.
    with (
        closing(
            Installation(Path(tempfile.mkdtemp(prefix="soak-")), options.pack, options.instrument)
        ) as installation,
        closing(EventLog(folder, time.monotonic())) as event_log,
    ):
        soak_run = SoakRun(installation, event_log, seconds, faults, options.pause, options.seed)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: setattr(soak_run, "stop_requested", True))
        soak_run.run()
        return event_log.lines


def print_summary(summary: Line, failures: list[str], folder: Path) -> None:
    """Print the summary and the failures."""
    print(
        f"{summary['hours'] * 60:.1f} min, {summary['visits']} visits, "
        f"{summary['recovered']} of {summary['faults']} faults recovered in time, "
        f"longest gap {summary['longest_gap_s']:.2f} s, "
        f"{summary['underflows_not_excused']} underflows without a fault of a speaker"
    )
    for failure in failures:
        print(f"wrong: {failure}")
    print(f"{'not well' if failures else 'all well'}: see {folder}")


def main(arguments: Sequence[str]) -> int:
    """The exit code: 0 if all is well."""
    options = options_of(arguments)
    folder = options.judge or new_folder(options.output)
    try:
        lines = read_lines(folder) if options.judge else soak(options, folder)
    except KeyboardInterrupt:  # before it had begun
        return INTERRUPTED
    summary, failures = judge(lines, folder)
    print_summary(summary, failures, folder)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
