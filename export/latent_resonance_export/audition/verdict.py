"""Whether a generator sounds like its recordings without copying them: one line. Pure.

Each figure alone can be passed by something worthless: noise is far from every training clip,
stripes loop without a seam and are all voiced, one good loop for every z is near the recordings.
So a figure counts only where it can tell: memorisation near the floor, seam and voiced where the
untrained network does not reach them too. The verdict names each known way to fail.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from latent_resonance_export.audition.metrics import MetricValues

NEAR = 2.0  # × the floor: as far as a network that sounds like its recordings may be
COPIES = 0.7  # of the held-out clips' distance from training clips; with few, 0.8 is chance
VARIED = 0.5  # of the real clips' diversity; less is one sound for every z
STILL = 0.3  # of the real clips' change from frame to frame; less is stripes
RESTLESS = 3.0  # × the same; more is noise
VOICED = 0.8  # of the real clips
SEAM = 1.25
REASONS = ("swd", "swd_floor", "diversity", "diversity_real", "movement", "movement_real")


@dataclass(frozen=True)
class Verdict:
    """`passed` is None if there is nothing to compare with; `failures` are clauses."""

    passed: bool | None
    failures: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The verdict in one line."""
        if self.passed is None:
            return "verdict: none, for the dataset is missing"
        if self.passed:
            return "verdict: it sounds like its recordings, and is no copy of them"
        return f"verdict: it fails: {'; '.join(self.failures)}"


def verdict(figures: MetricValues) -> Verdict:
    """The verdict on the figures of an audition."""
    if any(figures.get(key) is None for key in REASONS):
        return Verdict(None)
    known = {key: value for key, value in figures.items() if value is not None}
    failures = tuple(_failures(known))
    return Verdict(not failures, failures)


def _failures(f: dict[str, float]) -> Iterator[str]:
    ratio = f["swd"] / max(f["swd_floor"], 1e-9)
    if f["diversity"] < VARIED * f["diversity_real"]:
        pair = f"diversity {f['diversity']:g} of {f['diversity_real']:g}"
        yield f"the same sound for every z ({pair})"
    if is_near(f) and f.get("memorisation", 1.0) < COPIES:
        yield f"copies of training clips (distance {f['memorisation']:g} of an unseen clip's)"
    movement = f["movement"] / max(f["movement_real"], 1e-9)
    if movement < STILL:
        yield f"stripes: hardly anything changes over time ({movement:.2g} × the recordings)"
    if movement > RESTLESS:
        yield f"noise: every frame is another ({movement:.2g} × the recordings' change)"
    if not is_near(f):
        yield f"unlike the recordings (distance {ratio:.1f} × the floor, at most {NEAR:g})"
    if "voiced_real" in f and f.get("voiced", 0.0) < VOICED * f["voiced_real"]:
        pair = f"{f.get('voiced', 0.0):g} of {f['voiced_real']:g}"
        yield f"fewer voiced frames than the recordings ({pair})"
    if f.get("seam", 1.0) > seam_limit(f):
        yield f"an audible seam ({f['seam']:g} ×, at most {seam_limit(f):.3g})"


def is_near(figures: MetricValues | dict[str, float]) -> bool:
    """Whether generated clips are near the recordings, so that copying them is a question."""
    swd, floor = figures.get("swd"), figures.get("swd_floor")
    return swd is not None and floor is not None and swd <= NEAR * floor


def seam_limit(figures: MetricValues | dict[str, float]) -> float:
    """The largest seam: SEAM, relative to that of the recordings if theirs is audible too."""
    return SEAM * max(figures.get("seam_real") or 1.0, 1.0)


def caveats(figures: MetricValues) -> dict[str, str]:
    """What a figure that meets its target does not show, by its key."""
    found = {}
    if figures.get("memorisation") is not None and not is_near(figures):
        found["memorisation"] = "shows nothing so far from the recordings"
    untrained, real = figures.get("voiced_untrained"), figures.get("voiced_real")
    if untrained is not None and real is not None and untrained >= VOICED * real:
        found["voiced"] = "shows nothing: untrained too"
    untrained = figures.get("seam_untrained")
    if untrained is not None and untrained <= seam_limit(figures):
        found["seam"] = "shows nothing: untrained too"
    return found
