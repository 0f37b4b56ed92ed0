"""The figures for people: with reference values, targets, and how each was measured.

A figure that misses its target does not fail the audition.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latent_resonance_export.audition.diversity import WEIGHTS
from latent_resonance_export.audition.loop_statistics import (
    N_DIFFERENT,
    N_RHYTHMS,
    QUIET_DB,
    TOP_DB,
    TOP_HZ,
)
from latent_resonance_export.audition.metrics import (
    DIVERSITY_PAIRS,
    FACES,
    FLOOR_DRAWS,
    MAX_LOOPS,
    OF_LOOPS,
    TONALITY_CLIPS,
    MetricValues,
)
from latent_resonance_export.audition.nearest_neighbour import BANDS, CYCLES
from latent_resonance_export.audition.speed import TIMES
from latent_resonance_export.audition.tonality import PITCH_HZ, SAMPLE_RATE, SOUNDING_DB
from latent_resonance_export.audition.verdict import RESTLESS, SEAM, STILL, caveats
from latent_resonance_export.regressor.real_movement import REAL_P95

DIFFERENT, RAREST, REACH = 60, 0.03, (0.2, 0.8)
MARKS = {True: "met", False: "not met", None: ""}
MISSING = "–"


@dataclass(frozen=True)
class Line:
    """One figure; `passed` is None without a target or if a value is missing; `mark` says which."""

    label: str
    value: str
    reference: str
    target: str
    passed: bool | None
    mark: str
    how: str


@dataclass(frozen=True)
class _Metric:
    key: str
    label: str
    unit: str
    reference: tuple[str, ...]
    target: str
    rule: Callable[..., bool] | None  # of the figure and its references
    how: str


NAMES = {
    **{f"{key}{FACES}": "faces" for key in OF_LOOPS},
    "swd_floor": "floor",
    "swd_untrained": "untrained",
    "diversity_real": "real",
    "voiced_real": "real",
    "movement_real": "real",
    "flatness_real": "real",
}


def _of_loops(key: str, label: str, unit: str, limit: float, how: str) -> _Metric:
    """A figure of the loops of random z and of faces; both must be within the limit."""
    target = f"at most {limit:g}{unit}, faces too"
    reference = (f"{key}{FACES}",)
    return _Metric(key, label, unit, reference, target, lambda a, b: max(a, b) <= limit, how)


def _reach(name: str, explained: bool) -> _Metric:
    low, high = REACH
    how = (
        "Root mean square distance of z, in units of the prior, between the neutral face and one "
        "with the feature at its 95th percentile on real visitors; two random z are 1.41 apart."
    )
    return _Metric(
        f"reach_{name}",
        f"reach of {name}",
        "",
        (),
        f"{low:g} to {high:g}",
        lambda distance: low <= distance <= high,
        how if explained else "",
    )


METRICS = (
    _Metric(
        "swd",
        "distance from real clips",
        "",
        ("swd_floor", "swd_untrained"),
        "at most 2 × the floor and 1/4 of untrained",
        lambda swd, floor, untrained: swd <= 2 * floor and swd <= untrained / 4,
        "Sliced Wasserstein distance × 1000 of 7 × 7 patches, mean over a Laplacian pyramid "
        "(Karras et al. 2018), generated against held-out clips. Floor: as many training clips "
        f"against the same held-out ones, mean of {FLOOR_DRAWS} draws. "
        "Untrained: the same architecture with its initial weights, seed 0.",
    ),
    _Metric(
        "diversity",
        "diversity",
        "",
        ("diversity_real",),
        "within 20 % of the real clips",
        lambda ours, real: abs(ours - real) <= 0.2 * real,
        f"Mean MS-SSIM distance, 1 − similarity (Wang et al. 2003, {len(WEIGHTS)} scales), of up "
        f"to {DIVERSITY_PAIRS} random pairs: 0: all equal, 1: nothing in common.",
    ),
    _Metric(
        "memorisation",
        "distance from training clips",
        " ×",
        (),
        "at least 0.9",
        lambda ratio: ratio >= 0.9,
        "Counts only near the floor of the distance from real clips, for noise is far from all. "
        "Median distance of a generated clip to its nearest training clip, over the same of the "
        "held-out clips: 1: as new as unseen clips, towards 0: copies. Root mean square of "
        f"pixels in {BANDS} bands and {CYCLES} cycles per loop, at the best shift of the loop "
        "(circular cross-correlation), since training rolls the clips.",
    ),
    _Metric(
        "voiced",
        "voiced frames",
        "",
        ("voiced_real",),
        "at least 80 % of the real clips",
        lambda ours, real: ours >= 0.8 * real,
        f"Share of sounding frames that pYIN finds voiced (Mauch & Dixon 2014; {PITCH_HZ[0]:g} to "
        f"{PITCH_HZ[1]:g} Hz), {TONALITY_CLIPS} clips of each at {SAMPLE_RATE} Hz after the "
        f"gallery's Griffin-Lim. Sounding: within {SOUNDING_DB:g} dB of the clip's loudest.",
    ),
    _Metric(
        "flatness",
        "spectral flatness",
        " dB",
        ("flatness_real",),
        "",
        None,
        "Median over the same frames of geometric over arithmetic mean power, 0 to "
        f"{SAMPLE_RATE // 2} Hz: noise near 0 dB, a tone far below.",
    ),
    _Metric(
        "seam",
        "seam at the loop point",
        " ×",
        (),
        f"at most {SEAM}",
        lambda seam: seam <= SEAM,
        "Step from the last frame to the first over the clip's median step between neighbours, "
        "median over the generated clips.",
    ),
    _Metric(
        "movement",
        "change from frame to frame",
        "",
        ("movement_real",),
        "0.3 to 3 × the recordings'",
        lambda ours, real: STILL * real <= ours <= RESTLESS * real,
        "Mean absolute difference of neighbouring frames, median over the clips: stripes have "
        "none, noise has most.",
    ),
    _of_loops(
        "top_bands",
        "loops that whistle",
        "",
        0.02,
        f"Share of the loops of {MAX_LOOPS} random z, and of as many composed faces, with a mel "
        f"band above {TOP_HZ / 1000:g} kHz within {TOP_DB:g} dB of the maximum.",
    ),
    _of_loops(
        "quiet_frames",
        "rests",
        "",
        0.01,
        f"Share of all frames whose power is over {QUIET_DB:g} dB below their loop's maximum.",
    ),
    _of_loops(
        "silent_frame",
        "one rest in all loops",
        "",
        0.05,
        "Share of the loops that rest, as above, at the frame at which most of them do.",
    ),
    _of_loops(
        "rhythm_alike",
        "one rhythm in all loops",
        "",
        0.2,
        f"Mean correlation of the frame-to-frame change of {N_RHYTHMS} loops.",
    ),
    _of_loops(
        "level_span",
        "level between loops",
        " dB",
        9,
        "From the 5th to the 95th percentile of the loops' mean power. The runtime evens it out "
        "(loop.even_levels).",
    ),
    _Metric(
        "different",
        "effectively different",
        "",
        (f"different{FACES}",),
        f"at least {DIFFERENT} of {N_DIFFERENT}, faces too",
        lambda ours, faces: min(ours, faces) >= DIFFERENT,
        f"Vendi score (Friedman & Dieng 2022) of {N_DIFFERENT} spectrograms; the faces are of ten "
        "composed minutes.",
    ),
    *(_reach(name, i == 0) for i, name in enumerate(REAL_P95)),
    _Metric(
        "rarest_anchor",
        "faces at the rarest anchor",
        "",
        (),
        f"at least {RAREST}",
        lambda share: share >= RAREST,
        "Share of held composed faces that go to the anchor that fewest go to.",
    ),
    _Metric(
        "generator_ms",
        "time per spectrogram",
        " ms",
        (),
        "at most 40 ms",
        lambda ms: ms <= 40,
        f"Processor time of ONNX Runtime on one thread, median of {TIMES}, on the machine of the "
        "audition.",
    ),
    _Metric(
        "generator_mb",
        "size of generator.onnx",
        " MB",
        (),
        "at most 30 MB",
        lambda mb: mb <= 30,
        "In millions of bytes.",
    ),
    _Metric("clips", "clips compared", "", (), "", None, "Of each kind."),
    _Metric("steps", "steps trained", "", (), "", None, ""),
)


def lines(figures: MetricValues, why_missing: dict[str, str]) -> list[Line]:
    """The figures in the order of a model card."""
    return [_line(metric, figures, why_missing) for metric in METRICS]


def limits() -> dict[str, str]:
    """The target of each figure that has one, by its key."""
    return {metric.key: metric.target for metric in METRICS if metric.target}


def table(found: list[Line]) -> str:
    """The figures as aligned text for a terminal."""
    rows = [(line.label, line.value, line.reference, line.target, line.mark) for line in found]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        f"{label:<{widths[0]}}  {value:>{widths[1]}}  {reference:<{widths[2]}}  "
        f"{target:<{widths[3]}}  {mark}".rstrip()
        for label, value, reference, target, mark in rows
    )


def _line(metric: _Metric, figures: MetricValues, why_missing: dict[str, str]) -> Line:
    def shown(key: str) -> str:
        return MISSING if figures[key] is None else f"{figures[key]:g}{metric.unit}"

    keys = (metric.key, *metric.reference)
    missing = [key for key in keys if figures[key] is None]
    complete = metric.rule is not None and not missing
    passed = metric.rule(*(figures[key] for key in keys)) if metric.rule and complete else None
    met = caveats(figures).get(metric.key) if passed else None
    mark = why_missing.get(missing[0], "not measured") if missing else met or MARKS[passed]
    reference = ", ".join(f"{NAMES[key]} {shown(key)}" for key in metric.reference)
    return Line(metric.label, shown(metric.key), reference, metric.target, passed, mark, metric.how)
