"""From single rows to medians, shares of librosa's cost and what is owed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median

from .measures import Row

SOUNDS = ("tonal", "test")
# What is owed of ours: (setting, librosa's iterations, its share of their CPU time).
TARGETS = (("7-7", 64, 1 / 4), ("7-2", 32, 1 / 6))


def named(rows: Sequence[Row], attribute: str) -> list[str]:
    """The values of an attribute, each once, in order."""
    return list(dict.fromkeys(getattr(row, attribute) for row in rows))


def cost(rows: Sequence[Row], method: str) -> float:
    """Median CPU seconds a second over signals and turns."""
    return median(row.cpu_s for row in rows if row.method == method)


def share(rows: Sequence[Row], method: str, base: str) -> float | None:
    """Median over signals and turns of a method's cost over another's in the same turn.

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
    """(CPU seconds a second, mean dB) along a curve: "librosa", or "ours 7" for 7 frames ahead."""
    found = [
        method
        for method in named(rows, "method")
        if method.rsplit("-", 1)[0] == curve or method.rsplit(" ", 1)[0] == curve
    ]
    return [
        (
            cost(rows, method),
            fmean(quality(rows, method, signal) for signal in named(rows, "signal")),
        )
        for method in found
    ]


def tables(rows: Sequence[Row]) -> Iterator[str]:
    """For people: what each method costs and reaches on sounds, then on pictures."""
    for what, kinds in (("sounds", SOUNDS), ("pictures", ("mel", "pack"))):
        some = [row for row in rows if row.kind in kinds]
        if some:
            yield f"spectral convergence of {what}, dB (lower is better)"
            yield from _table(some, rows)
            yield ""


def _table(some: Sequence[Row], rows: Sequence[Row]) -> Iterator[str]:
    signals = named(some, "signal")
    yield f"{'':16}{'CPU-s/s':>8}{'of l.64':>8}" + "".join(f"{s:>13}" for s in signals)
    for method in named(some, "method"):
        of_64 = share(rows, method, "librosa 64")
        line = f"{method:16}{cost(rows, method):8.3f}" + (f"{of_64:8.3f}" if of_64 else " " * 8)
        yield line + "".join(f"{quality(some, method, s):13.1f}" for s in signals)


def measurements(rows: Sequence[Row]) -> Iterator[dict[str, object]]:
    """As `latent-resonance bench --json` writes them, those that are owed first."""
    measured = named(rows, "method")
    for setting, iterations, most in TARGETS:
        mine, theirs = f"ours {setting}", f"librosa {iterations}"
        if mine in measured and theirs in measured:
            yield _figure(f"{mine}, share of {theirs}", share(rows, mine, theirs), "", most)
            for signal in named(rows, "signal"):
                more = quality(rows, mine, signal) - quality(rows, theirs, signal)
                yield _figure(f"{signal}: {mine} over {theirs}", more, "dB", 0.0)
    for method in measured:
        yield _figure(f"{method}, CPU", cost(rows, method), "s/s", None)
        for signal in named(rows, "signal"):
            yield _figure(f"{method}, {signal}", quality(rows, method, signal), "dB", None)


def _figure(name: str, value: float | None, unit: str, target: float | None) -> dict[str, object]:
    assert value is not None  # its base was measured
    met = None if target is None else value <= target
    return {"name": name, "value": round(value, 4), "unit": unit, "owed": target, "ok": met}


def verdicts(found: Sequence[dict[str, object]]) -> Iterator[str]:
    """A line for each figure owed."""
    for measurement in found:
        if measurement["owed"] is not None:
            mark = "ok" if measurement["ok"] else "MISSED"
            line = f"{measurement['name']:44}{measurement['value']:9.3f} {measurement['unit']:3}"
            yield f"{line} (owed {measurement['owed']:.3f}) {mark}"
