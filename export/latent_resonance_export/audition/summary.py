"""The figures as a person reads them: beside what, what is owed, kept or not, and how measured.

An audition measures and does not judge: nothing here stops anybody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from latent_resonance_export.audition.diversity import WEIGHTS
from latent_resonance_export.audition.metrics import FLOORS, PAIRS, VOICES, Figures
from latent_resonance_export.audition.nearest_neighbour import BANDS, CYCLES
from latent_resonance_export.audition.speed import TIMES
from latent_resonance_export.audition.tonality import PITCH_HZ, SAMPLE_RATE, SOUNDING_DB

SEAM = 1.25  # "about 1"
MARKS = {True: "kept", False: "not reached", None: ""}
MISSING = "–"


@dataclass(frozen=True)
class Line:
    """One figure: `kept` is None where nothing is owed or something is missing; `mark` says so."""

    label: str
    value: str
    beside: str
    owed: str
    kept: bool | None
    mark: str
    how: str


@dataclass(frozen=True)
class _Owed:
    key: str
    label: str
    unit: str
    beside: tuple[str, ...]
    owed: str
    rule: Callable[..., bool] | None  # of the figure and those beside it
    how: str


NAMES = {
    "swd_floor": "floor",
    "swd_untrained": "untrained",
    "diversity_real": "real",
    "voiced_real": "real",
    "flatness_real": "real",
}
OWED = (
    _Owed(
        "swd",
        "distance from the real",
        "",
        ("swd_floor", "swd_untrained"),
        "at most 2 × the floor and 1/4 of untrained",
        lambda swd, floor, untrained: swd <= 2 * floor and swd <= untrained / 4,
        "Sliced Wasserstein distance × 1000 of 7 × 7 patches, mean over a Laplacian pyramid "
        "(Karras et al. 2018), generated against held-out clips. Floor: as many training clips "
        f"against the same held-out ones, mean of {FLOORS} draws. "
        "Untrained: the same architecture as it begins, seed 0.",
    ),
    _Owed(
        "diversity",
        "diversity",
        "",
        ("diversity_real",),
        "within 20 % of the real",
        lambda ours, real: abs(ours - real) <= 0.2 * real,
        f"Mean MS-SSIM distance, 1 − similarity (Wang et al. 2003, {len(WEIGHTS)} scales), of up "
        f"to {PAIRS} random pairs: 0 all alike, 1 nothing in common.",
    ),
    _Owed(
        "memorisation",
        "distance from training clips",
        " ×",
        (),
        "at least 0.9",
        lambda ratio: ratio >= 0.9,
        "Median distance of a generated clip to its nearest training clip, over the same of the "
        "held-out clips: 1 as new as clips never seen, towards 0 copies. Root mean square of "
        f"pixels in {BANDS} bands and {CYCLES} cycles a loop, at the best of all turns of the "
        "loop (circular cross-correlation), since training turns them.",
    ),
    _Owed(
        "voiced",
        "voiced frames",
        "",
        ("voiced_real",),
        "at least 80 % of the real",
        lambda ours, real: ours >= 0.8 * real,
        f"Share of sounding frames that pYIN finds voiced (Mauch & Dixon 2014; {PITCH_HZ[0]:g} to "
        f"{PITCH_HZ[1]:g} Hz), {VOICES} clips of each at {SAMPLE_RATE} Hz after the gallery's own "
        f"Griffin-Lim. Sounding: within {SOUNDING_DB:g} dB of the clip's loudest.",
    ),
    _Owed(
        "flatness",
        "spectral flatness",
        " dB",
        ("flatness_real",),
        "",
        None,
        "Median over the same frames of geometric over arithmetic mean power, 0 to "
        f"{SAMPLE_RATE // 2} Hz: noise near 0 dB, a tone far below.",
    ),
    _Owed(
        "seam",
        "seam at the loop point",
        " ×",
        (),
        f"about 1, at most {SEAM}",
        lambda seam: seam <= SEAM,
        "Step from the last frame to the first over the clip's median step between neighbours, "
        "median over the generated clips.",
    ),
    _Owed(
        "generator_ms",
        "time of a spectrogram",
        " ms",
        (),
        "at most 40 ms",
        lambda ms: ms <= 40,
        f"ONNX Runtime on one thread, its processor time, median of {TIMES}, on the machine that "
        "auditioned.",
    ),
    _Owed(
        "generator_mb",
        "size of generator.onnx",
        " MB",
        (),
        "at most 30 MB",
        lambda mb: mb <= 30,
        "In millions of bytes.",
    ),
    _Owed("clips", "clips compared", "", (), "", None, "Of each kind."),
    _Owed("steps", "steps trained", "", (), "", None, ""),
)


def lines(figures: Figures, why_missing: dict[str, str]) -> list[Line]:
    """The figures in the order of a model card."""
    return [_line(owed, figures, why_missing) for owed in OWED]


def table(found: list[Line]) -> str:
    """The same as aligned text for a terminal."""
    rows = [(line.label, line.value, line.beside, line.owed, line.mark) for line in found]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return "\n".join(
        f"{label:<{widths[0]}}  {value:>{widths[1]}}  {beside:<{widths[2]}}  "
        f"{owed:<{widths[3]}}  {mark}".rstrip()
        for label, value, beside, owed, mark in rows
    )


def _line(owed: _Owed, figures: Figures, why_missing: dict[str, str]) -> Line:
    def shown(key: str) -> str:
        return MISSING if figures[key] is None else f"{figures[key]:g}{owed.unit}"

    keys = (owed.key, *owed.beside)
    missing = [key for key in keys if figures[key] is None]
    complete = owed.rule is not None and not missing
    kept = owed.rule(*(figures[key] for key in keys)) if owed.rule and complete else None
    mark = why_missing.get(missing[0], "not measured") if missing else MARKS[kept]
    beside = ", ".join(f"{NAMES[key]} {shown(key)}" for key in owed.beside)
    return Line(owed.label, shown(owed.key), beside, owed.owed, kept, mark, owed.how)
