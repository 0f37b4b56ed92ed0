"""The report of a soak: pure functions from its lines to a summary and messages of failures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from tests.system.soaking.processes import ROLES

Line = dict[str, Any]

WARM_UP_S = 120.0  # of a process, in which caches fill
LEAK_MIB_PER_H = {"voice": 4.0, "output": 2.0, "eye": 60.0}  # the eye's is MediaPipe's, and bounded
LEAK_MIB = 6.0  # a smaller total growth is not a leak
OBSERVED_S = 900.0  # shortest lifetime of a process for which a leak can be measured
GAP_S = 0.1  # longest cut-off of a sound without a fault of the sink
QUIET_S = 3.0  # longest silence after a fade: a closed mouth passes little
UNDERFLOWS_PER_H = 20.0  # without a fault of the sink
MORE_FILES = 6  # than at first, which indicates a leak of file descriptors
PAIRS_OF = 800  # samples, each pair of which gives a slope


def of_kind(lines: list[Line], kind: str) -> list[Line]:
    """The lines of one kind."""
    return [line for line in lines if line["kind"] == kind]


def lives_of(lines: list[Line], role: str) -> list[NDArray[np.float64]]:
    """(n, 2) seconds and MiB of each process of a role that ran for long enough, after warm-up."""
    lives: dict[int, list[tuple[float, float]]] = {}
    for line in of_kind(lines, "sample"):
        if (usage := line.get(role)) is not None:
            lives.setdefault(usage["pid"], []).append((line["at_s"], usage["rss_mib"]))
    whole = [np.array(life) for life in lives.values()]
    warm = [life[life[:, 0] > life[0, 0] + WARM_UP_S] for life in whole]
    return [life for life in warm if len(life) > 2 and life[-1, 0] - life[0, 0] >= OBSERVED_S]


def slope_mib_per_h(life: NDArray[np.float64]) -> float:
    """Median of the slopes between all pairs of samples (Theil 1950; Sen 1968)."""
    thinned = life[:: max(1, len(life) // PAIRS_OF)]
    first, second = np.triu_indices(len(thinned), 1)
    rises = thinned[second] - thinned[first]
    return float(np.median(rises[:, 1] / rises[:, 0])) * 3600.0


def growth_of(lines: list[Line], role: str) -> Line | None:
    """Slope and growth of a role's longest-lived process; None if none lived long enough."""
    lives = lives_of(lines, role)
    if not lives:
        return None
    life = max(lives, key=lambda life: life[-1, 0] - life[0, 0])
    slope, hours = slope_mib_per_h(life), (life[-1, 0] - life[0, 0]) / 3600.0
    return {"mib_per_h": round(slope, 2), "mib": round(slope * hours, 2), "hours": round(hours, 2)}


def latencies(lines: list[Line], kind: str) -> tuple[list[float], int]:
    """(milliseconds of the detected gestures of a kind, number of those not detected)."""
    delays_ms = [line["heard_ms"] for line in of_kind(lines, "gesture") if line["gesture"] == kind]
    detected = [value for value in delays_ms if value is not None]
    return detected, len(delays_ms) - len(detected)


def percentile(values: list[float], share: float) -> float | None:
    """A percentile, rounded; None without values."""
    return round(float(np.percentile(values, share)), 1) if values else None


def summary_of(lines: list[Line]) -> Line:
    """The summary of a whole soak."""
    samples, faults = of_kind(lines, "sample"), of_kind(lines, "fault")
    detected, not_detected = latencies(lines, "open")
    control, control_not_detected = latencies(lines, "sham")
    not_excused = [line for line in of_kind(lines, "silence") if not line["excused"]]
    gaps = [line["lasts_s"] for line in not_excused if line["abrupt"]]
    quiet = [line["lasts_s"] for line in not_excused if not line["abrupt"]]
    return {
        "hours": round(samples[-1]["at_s"] / 3600.0, 3) if samples else 0.0,
        "visits": samples[-1]["visits"] if samples else 0,
        "faults": len(faults),
        "recovered": sum(line["recovered"] for line in faults),
        "longest_gap_s": max(gaps, default=0.0),
        "gaps": len(gaps),
        "longest_quiet_s": max(quiet, default=0.0),
        "underflows": sum(line["n"] for line in of_kind(lines, "underflows")),
        "underflows_not_excused": sum(
            line["n"] for line in of_kind(lines, "underflows") if not line["excused"]
        ),
        "restarts_without_a_fault": sum(
            line["during"] is None for line in of_kind(lines, "restart")
        ),
        "gesture_to_sound_ms": {
            "median": percentile(detected, 50),
            "p95": percentile(detected, 95),
            "heard": len(detected),
            "not_heard": not_detected,
            "of_shams": f"{len(control)} of {len(control) + control_not_detected} heard",
        },
        "recovery_s": recoveries(faults),
        "growth": {role: growth_of(lines, role) for role in ROLES},
        "peak_mib": {role: peak(samples, role, "rss_mib") for role in ROLES},
        "peak_pss_mib": {role: peak(samples, role, "pss_mib") for role in ROLES},
    }


def peak(samples: list[Line], role: str, key: str) -> float | None:
    """The largest value of a key for a role."""
    return max((line[role][key] for line in samples if line.get(role)), default=None)


def recoveries(faults: list[Line]) -> dict[str, Line]:
    """Number of occurrences of each fault, its slowest recovery, and its limit."""
    found: dict[str, Line] = {}
    for line in faults:
        entry = found.setdefault(
            line["fault"], {"times": 0, "slowest": 0.0, "limit": line["limit_s"]}
        )
        entry["times"] += 1
        slowest = entry["slowest"]
        never = line["well_s"] is None or slowest is None
        entry["slowest"] = None if never else max(slowest, line["well_s"])
    return found


def failures_of(lines: list[Line], summary: Line) -> list[str]:
    """A message for each failure of the instrument; none if all is well."""
    return [
        *_end_failures(lines),
        *_recovery_failures(lines),
        *_leak_failures(lines, summary),
        *_sound_failures(summary),
        *_restart_failures(summary),
    ]


def _end_failures(lines: list[Line]) -> list[str]:
    ends = of_kind(lines, "end")
    if not ends:
        return ["the soak was cut off before its end"]
    if not of_kind(lines, "sample"):
        return ["nothing was measured: it was over before it began"]
    tracebacks = [line for line in of_kind(lines, "said") if "Traceback" in line["line"]]
    messages = ["the instrument printed a traceback"] if tracebacks else []
    if ends[-1]["why"] != "over":
        messages.append(f"the instrument ended by itself ({ends[-1]['why']})")
    if ends[-1]["exit_code"] != 0:
        messages.append(f"the instrument ended with exit code {ends[-1]['exit_code']}")
    return messages


def _recovery_failures(lines: list[Line]) -> list[str]:
    messages = []
    for line in of_kind(lines, "fault"):
        if not line["recovered"]:
            when = "never" if line["well_s"] is None else f"after {line['well_s']:.1f} s"
            messages.append(
                f"{line['fault']} at {line['at_s']:.0f} s: {when} well again, "
                f"its limit is {line['limit_s']:.1f} s ({line['missing'] or 'late'})"
            )
    return messages


def _leak_failures(lines: list[Line], summary: Line) -> list[str]:
    messages = []
    for role, growth in summary["growth"].items():
        if growth and growth["mib_per_h"] > LEAK_MIB_PER_H[role] and growth["mib"] > LEAK_MIB:
            messages.append(
                f"the {role} leaks: {growth['mib_per_h']:.1f} MiB an hour "
                f"over {growth['hours']:.1f} h, more than {LEAK_MIB_PER_H[role]:.0f}"
            )
        counts = [line[role]["files"] for line in of_kind(lines, "sample") if line.get(role)]
        third = len(counts) // 3
        if third > 10 and np.median(counts[-third:]) > np.median(counts[:third]) + MORE_FILES:
            messages.append(f"the {role} leaks file descriptors: {counts[-1]} open at the end")
    return messages


def _sound_failures(summary: Line) -> list[str]:
    messages = []
    for what, limit_s in (("gap", GAP_S), ("quiet", QUIET_S)):
        if (lasted_s := summary[f"longest_{what}_s"]) > limit_s:
            messages.append(
                f"{lasted_s:.2f} s of silence ({what}) with no fault of a speaker, "
                f"more than {limit_s:.2f} s"
            )
    allowed = max(3.0, UNDERFLOWS_PER_H * summary["hours"])
    if summary["underflows_not_excused"] > allowed:
        messages.append(
            f"{summary['underflows_not_excused']} underflows with no fault of a speaker, "
            f"more than {allowed:.0f}"
        )
    return messages


def _restart_failures(summary: Line) -> list[str]:
    n = summary["restarts_without_a_fault"]
    return [f"a process was replaced {n} times without a fault"] if n else []
