"""What Prometheus reads: the instrument's numbers as OpenMetrics, by prometheus_client.

Lives on the monitor's event loop; nothing here waits. In: the voice's reports and energies. Out: a
page of numbers in the form that the reader asks for.

The totals are the voice's own and count from its start. They are therefore handed on as they are
by a custom collector, which is prometheus_client's way for numbers that are counted elsewhere
(https://prometheus.github.io/client_python/collector/custom/): a voice that starts again begins at
0, which is the counter reset that `rate()` and `increase()` are made for. A `Counter` that is
raised by differences could only guess at a restart, would lose what was counted while no monitor
ran, and would start at 0 with every monitor. The histogram of the latency alone is counted here,
for nobody counts it elsewhere; it starts with the monitor.

A voice that is not heard has no numbers: its series are left out, not repeated and not NaN.
Prometheus then marks them as ended, so that no alert rests on what was true an hour ago and a sum
over ten instruments is the sum over those that are heard. `latent_resonance_up` is always there.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from latent_resonance.link.telemetry import Energies, Message, Report
from latent_resonance.monitor.health import SILENT_S

PREFIX = "latent_resonance_"
# What the voice's attendant calls the faults that it counts. They are 0 before the first one: the
# `increase()` of a series that appears at 1 would be 0, and the first fault would be missed.
FAULTS = (
    "eye silent",
    "speaker lost",
    "network fault",
    "short of time or hot",
    "settings refused",
)
UNDERFLOW = "underflow"  # the attendant counts them among the faults; they are their own metric
MOST_FAULTS = 32  # kinds; the rest is OTHER
OTHER = "other"
LATENCY_BUCKETS_S = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Figure:
    """One number of a report: its name without PREFIX, unit (the name's end), meaning, and where.

    `of` answers None for what is not known.
    """

    name: str
    unit: str
    meaning: str
    of: Callable[[Report], float | None]


TOTALS = (
    Figure("visits", "", "Visits since the voice's start.", lambda r: r.visits),
    Figure("played_seconds", "seconds", "Time played for visitors.", lambda r: r.played_s),
    Figure("underflows", "", "Blocks that came too late to the speaker.", lambda r: r.underflows),
)
PRESENT = (
    Figure("uptime_seconds", "seconds", "Since the voice's start.", lambda r: r.uptime_s),
    Figure("images_per_second", "", "Images that the eye reads.", lambda r: r.images_per_s),
    Figure("load_ratio", "ratio", "Share of real time the synthesis takes.", lambda r: r.load),
    Figure("tier", "", "What it gives up to keep up: 0 is nothing.", lambda r: r.tier),
    Figure("temperature_celsius", "celsius", "Of the hottest zone.", lambda r: r.celsius),
    Figure("throttled", "", "Whether the machine slows itself down.", lambda r: r.throttled),
    Figure("loudness_lufs", "lufs", "Momentary, BS.1770-4.", lambda r: r.loudness_lufs),
    Figure("volume_decibels", "decibels", "Asked for, re the settings.", lambda r: r.volume_db),
    Figure("speaker_playing", "", "Whether a speaker plays.", lambda r: bool(r.speaker)),
    Figure("closed", "", "Whether it is closed, or as if.", lambda r: r.scene == "closed"),
    Figure("standby", "", "Whether staff have put it to rest.", lambda r: r.standby),
    Figure("muted", "", "Whether staff have muted it.", lambda r: r.muted),
    Figure("quiet", "", "Whether it has the quiet hours' manners.", lambda r: r.quiet),
    Figure("settings_refused", "", "Whether changed settings wait.", lambda r: bool(r.refused)),
)


class Metrics(Collector):
    """The numbers of one instrument.

    Parameters
    ----------
    clock : seconds, monotonic

    Attributes
    ----------
    pages : that are open; counted by whoever serves them
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._linked = False
        self._report: Report | None = None
        self._came_s = -math.inf
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            f"{PREFIX}latency_seconds",
            "From the newest image to the speaker, thirty times a second while a face is seen.",
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self.pages = Gauge(f"{PREFIX}pages", "Pages that are open.", registry=self._registry)
        self._registry.register(self)

    def take(self, message: Message) -> None:
        """What the voice has said."""
        if isinstance(message, Report):
            self._report, self._came_s = message, self._clock()
        elif isinstance(message, Energies) and not math.isnan(message.latency_s):
            self._latency.observe(message.latency_s)

    def linked(self, up: bool) -> None:
        """Whether there is a link to the voice; without one, what it said is forgotten."""
        self._linked = up
        if not up:
            self._report = None

    def page(self, accept: str) -> tuple[bytes, str]:
        """Body and content type, OpenMetrics or the older text, by the reader's Accept header."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is no number
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """As prometheus_client asks for them."""
        report = self._heard()
        up = GaugeMetricFamily(
            f"{PREFIX}up", "Whether the voice is heard.", float(report is not None)
        )
        yield up
        if report is not None:
            yield from _present(report)
            yield from _totals(report)
            yield _faults(report.faults)
            yield _info("build", "What plays.", version=report.build)
            yield _info("pack", "Which sounds.", pack=report.pack, quality=report.quality)

    def _heard(self) -> Report | None:
        fresh = self._clock() - self._came_s <= SILENT_S
        return self._report if self._linked and fresh else None


def _present(report: Report) -> Iterator[Metric]:
    for figure in PRESENT:
        value = figure.of(report)
        if value is not None:
            name = PREFIX + figure.name
            yield GaugeMetricFamily(name, figure.meaning, float(value), unit=figure.unit)


def _totals(report: Report) -> Iterator[Metric]:
    for figure in TOTALS:
        name = PREFIX + figure.name
        yield CounterMetricFamily(name, figure.meaning, figure.of(report), unit=figure.unit)


def _faults(counted: Mapping[str, int]) -> Metric:
    meaning = "How often something began to be wrong, by kind."
    family = CounterMetricFamily(f"{PREFIX}faults", meaning, labels=["kind"])
    for kind, number in bounded(counted).items():
        family.add_metric([kind], number)
    return family


def bounded(counted: Mapping[str, int], most: int = MOST_FAULTS) -> dict[str, int]:
    """Faults by kind: those of FAULTS, then others as they came up, at most `most` and OTHER.

    The voice only ever adds kinds, at the end, so none moves to OTHER later on.
    """
    counts = dict.fromkeys(FAULTS, 0) | dict(counted)
    counts.pop(UNDERFLOW, None)
    named = dict(list(counts.items())[:most])
    rest = sum(counts.values()) - sum(named.values())
    return named | ({OTHER: named.get(OTHER, 0) + rest} if len(counts) > most else {})


def _info(name: str, meaning: str, **labels: str) -> Metric:
    return InfoMetricFamily(PREFIX + name, meaning, value=labels)
