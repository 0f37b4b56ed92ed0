"""Latency from motion to sound: from a mouth that opens to the samples at the sound card.

The exact counterpart of `latent-resonance bench motion`, which runs anywhere and trusts the driver.
The instrument is an unchanged `latent-resonance perform` with real PortAudio and ALSA. The camera
is `fakecam.c`, which logs when each image was taken; the sound card is `virtual_card.c`, which logs
when each sample was played.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # as pytest does for the tests

from tests.bench.moving.rig import THRESHOLD, MotionRig, short_folder, underflows_of  # noqa: E402

from latent_resonance import LatentResonanceError  # noqa: E402
from latent_resonance.bench.latency_pack import write_latency_pack  # noqa: E402
from latent_resonance.bench.motion import MIN_DETECTED, delays_of  # noqa: E402
from latent_resonance.bench.motion import TARGET_MS as TARGET_FROM_IMAGE_MS  # noqa: E402
from latent_resonance.bench.onsets import Recording  # noqa: E402
from latent_resonance.linux.atomic_file import atomic_path  # noqa: E402
from latent_resonance.pack import open_pack  # noqa: E402

mpl.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

PACK = ROOT / "models" / "cello"
TARGET_MS = {f"{what} after image": ms for what, ms in TARGET_FROM_IMAGE_MS.items()}  # at p95
EXAMPLES = """\
examples:
  python tests/bench/motion.py                                   200 gestures, six minutes
  python tests/bench/motion.py --gestures 20 --json motion.json
  python tests/bench/motion.py --set '{output: {latency_s: 0.02}}' --plot motion.png

exit codes: 0 all targets are met, 1 a target is missed, 2 wrong usage or not possible here
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print the results."""
    options = options_of(arguments)
    try:
        delays, totals = measure(options.pack, options.gestures, options.set)
    except LatentResonanceError as error:
        print(f"motion: {error}", file=sys.stderr)
        return 2
    results = results_of(delays, totals, options.gestures)
    print(table(results))
    print(totals)
    if options.json:
        with atomic_path(options.json) as path:
            path.write_text(json.dumps(results, indent=1) + "\n")
    if options.plot:
        draw(delays, options.plot)
    return int(any(result["ok"] is False for result in results))


def options_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="motion.py",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--gestures", type=int, default=200, metavar="N", help="(default: 200)")
    add("--pack", type=Path, default=PACK, metavar="FOLDER", help="(default: models/cello)")
    add("--set", type=yaml.safe_load, default={}, metavar="YAML", help="settings to try")
    add("--json", type=Path, metavar="FILE", help="also write the results")
    add("--plot", "--picture", dest="plot", type=Path, metavar="PNG", help="plot a histogram")
    return parser.parse_args(arguments)


def measure(
    pack: Path, count: int, settings: dict[str, object]
) -> tuple[dict[str, np.ndarray], str]:
    """Delays in ms by start and end, and the last status line of `perform`."""
    with tempfile.TemporaryDirectory(dir=short_folder(), prefix="lr-") as name:
        folder = Path(name)
        rig = MotionRig(
            folder, write_latency_pack(open_pack(pack), folder / "probe", THRESHOLD), settings
        )
        try:
            gestures = [_log_progress(i, count, s) for i, s in enumerate(rig.gestures(count), 1)]
            totals = rig.stop()
            return both_delays(np.array(gestures), rig.image_times_s(), rig.recording()), totals
        finally:
            rig.close()


def _log_progress(done: int, count: int, gesture_s: float) -> float:
    end = "\n" if done == count else ""
    print(f"\r{done} of {count} gestures", end=end, file=sys.stderr, flush=True)
    return gesture_s


def both_delays(
    gestures_s: np.ndarray, image_times_s: np.ndarray, recording: Recording
) -> dict[str, np.ndarray]:
    """Delays (n,) in ms after the motion and after the image; NaN if no onset was found."""
    wait_ms = 1000 * (image_times_s[np.searchsorted(image_times_s, gestures_s)] - gestures_s)
    delays = {}
    for what, ms in delays_of(recording, gestures_s).items():
        delays[f"{what} after motion"] = ms
        delays[f"{what} after image"] = ms - wait_ms[: len(ms)]
    return delays


def results_of(delays: dict[str, np.ndarray], totals: str, count: int) -> list[dict[str, object]]:
    """Percentiles, each with its target."""
    results: list[dict[str, object]] = []
    for delay, ms in delays.items():
        found, enough = ms[np.isfinite(ms)], MIN_DETECTED * count / 100
        results.append(result(f"{delay}, detected", len(found), "gestures", enough, at_least=True))
        for percentile in (50, 95, 99):
            value = float(np.percentile(found, percentile)) if len(found) else float("inf")
            target = TARGET_MS.get(delay) if percentile == 95 else None
            results.append(result(f"{delay}, p{percentile}", round(value, 1), "ms", target))
    results.append(result("underflows", underflows_of(totals), "", 0))
    return results


def result(
    name: str, value: float, unit: str, target: float | None, *, at_least: bool = False
) -> dict[str, object]:
    """One measurement as `latent-resonance bench --json` writes it."""
    met = None if target is None else value >= target if at_least else value <= target
    return {"name": name, "value": value, "unit": unit, "target": target, "ok": met}


def table(results: list[dict[str, object]]) -> str:
    """The results as lines of text."""
    marks = {None: "", True: "ok", False: "MISSED"}
    return "\n".join(
        f"{r['name']:32} {r['value']:8} {r['unit']:9} "
        f"{'' if r['target'] is None else r['target']!s:>7} {marks[r['ok']]}"
        for r in results
    )


def draw(delays: dict[str, np.ndarray], path: Path) -> None:
    """Plot the histogram of the delays from an image to its sound."""
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    for delay, target in TARGET_MS.items():
        found = delays[delay][np.isfinite(delays[delay])]
        axes.hist(found, bins=np.arange(0, 320, 5), alpha=0.7, label=delay)
        axes.axvline(target, linestyle="--", color="0.4")
        axes.text(
            target, axes.get_ylim()[1], f" target at p95: {target:.0f} ms", va="top", fontsize=8
        )
    axes.set(xlabel="ms from the image to the sample at the sound card", ylabel="gestures")
    axes.legend(frameon=False)
    with atomic_path(path) as beside:
        figure.savefig(beside, dpi=120, format="png")
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
