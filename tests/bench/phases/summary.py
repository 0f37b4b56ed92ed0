"""From rows to medians, cost ratios to librosa, and targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from .measures import Row

SOUNDS = ("tonal", "test")
# Of our method: (setting, librosa's iterations, largest ratio of CPU time to librosa's).
TARGETS = (("7-7", 64, 1 / 4), ("7-2", 32, 1 / 6))


def distinct(rows: Sequence[Row], attribute: str) -> list[str]:
    """The values of an attribute, each once, in order."""
    return list(dict.fromkeys(getattr(row, attribute) for row in rows))


def cost(rows: Sequence[Row], method: str) -> float:
    """CPU seconds per second of sound, the median over signals and turns."""
    return median(row.cpu_s for row in rows if row.method == method)


def cost_ratio(rows: Sequence[Row], method: str, base: str) -> float | None:
    """Ratio of a method's cost to another's in the same turn, the median over signals and turns.

    None if the other was not measured.
    """
    of = {(row.turn, row.signal): row.cpu_s for row in rows if row.method == base}
    if not of:
        return None
    return median(row.cpu_s / of[row.turn, row.signal] for row in rows if row.method == method)


def quality(rows: Sequence[Row], method: str, signal: str) -> float:
    """Spectral convergence in dB of a method on a signal; the same in every turn."""
    return next(r.convergence_db for r in rows if (r.method, r.signal) == (method, signal))


def mean_points(rows: Sequence[Row], curve: str) -> list[tuple[float, float]]:
    """(CPU seconds per second, mean dB) along a curve: "librosa", or "ours 7" for look-ahead 7."""
    found = [
        method
        for method in distinct(rows, "method")
        if method.rsplit("-", 1)[0] == curve or method.rsplit(" ", 1)[0] == curve
    ]
    return [
        (
            cost(rows, method),
            fmean(quality(rows, method, signal) for signal in distinct(rows, "signal")),
        )
        for method in found
    ]


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """Cost and quality of each method, on sounds and then on mel spectrograms."""
    for source, kinds in (("sounds", SOUNDS), ("mel spectrograms", ("mel", "pack"))):
        selected = [row for row in rows if row.kind in kinds]
        if selected:
            yield f"spectral convergence of {source}, dB (lower is better)"
            yield from _table(selected, rows)
            yield ""


def _table(selected: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    signals = distinct(selected, "signal")
    yield f"{'':16}{'CPU-s/s':>8}{'of l.64':>8}" + "".join(f"{s:>13}" for s in signals)
    for method in distinct(selected, "method"):
        of_64 = cost_ratio(rows, method, "librosa 64")
        line = f"{method:16}{cost(rows, method):8.3f}" + (f"{of_64:8.3f}" if of_64 else " " * 8)
        yield line + "".join(f"{quality(selected, method, s):13.1f}" for s in signals)


def measurements(rows: Sequence[Row]) -> Iterator[dict[str, object]]:
    """Objects as `latent-resonance bench --json` writes them, those with a target first."""
    measured = distinct(rows, "method")
    for setting, iterations, max_ratio in TARGETS:
        own, peer = f"ours {setting}", f"librosa {iterations}"
        if own in measured and peer in measured:
            yield _measurement(
                f"{own}, share of {peer}", cost_ratio(rows, own, peer), "", max_ratio
            )
            for signal in distinct(rows, "signal"):
                more = quality(rows, own, signal) - quality(rows, peer, signal)
                yield _measurement(f"{signal}: {own} over {peer}", more, "dB", 0.0)
    for method in measured:
        yield _measurement(f"{method}, CPU", cost(rows, method), "s/s", None)
        for signal in distinct(rows, "signal"):
            yield _measurement(f"{method}, {signal}", quality(rows, method, signal), "dB", None)


def _measurement(
    name: str, value: float | None, unit: str, target: float | None
) -> dict[str, object]:
    assert value is not None  # its base was measured
    met = None if target is None else value <= target
    return {"name": name, "value": round(value, 4), "unit": unit, "target": target, "ok": met}


def target_lines(found: Sequence[dict[str, object]]) -> Iterator[str]:
    """A line for each measurement with a target."""
    for measurement in found:
        if measurement["target"] is not None:
            mark = "ok" if measurement["ok"] else "MISSED"
            line = f"{measurement['name']:44}{measurement['value']:9.3f} {measurement['unit']:3}"
            yield f"{line} (target {measurement['target']:.3f}) {mark}"
