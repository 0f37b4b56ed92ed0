"""The instrument's metrics for Prometheus, as OpenMetrics, by prometheus_client.

Runs in the monitor's event loop and never blocks. In: the voice's reports and energies. Out: the
exposition in the format that the client accepts.

The totals are the voice's own and count from its start. A custom collector passes them on
unchanged, prometheus_client's way for values counted elsewhere
(https://prometheus.github.io/client_python/collector/custom/). A voice that restarts begins at 0,
the counter reset that `rate()` and `increase()` handle. A `Counter` incremented by differences
would have to guess at restarts, would miss what was counted while no monitor ran, and would start
at 0 with every monitor. Only the latency histogram is counted here, as nothing else counts it; it
starts with the monitor.

A voice that does not report has no values: its series are left out, neither repeated nor NaN.
Prometheus then marks them as stale, so no alert rests on values of an hour ago, and a sum over ten
instruments is the sum over those that report. `latent_resonance_up` is always present.
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
from latent_resonance.monitor.health import REPORT_TIMEOUT_S
from latent_resonance.monitor.refusals import Refusals

PREFIX = "latent_resonance_"
# The fault kinds that the voice's supervisor counts. They are exported as 0 before the first fault:
# the `increase()` of a series that appears at 1 is 0, and the first fault would be missed.
FAULTS = (
    "eye silent",
    "speaker lost",
    "network fault",
    "short of time or hot",
    "settings refused",
)
UNDERFLOW = "underflow"  # counted among the faults by the supervisor; a metric of its own here
MAX_FAULT_KINDS = 32  # all others count as OTHER
OTHER = "other"
LATENCY_BUCKETS_S = (0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class ReportMetric:
    """One metric of a report: name without PREFIX, unit (the name's suffix), help, and value.

    `value` returns None if it is unknown.
    """

    name: str
    unit: str
    documentation: str
    value: Callable[[Report], float | None]


COUNTERS = (
    ReportMetric("visits", "", "Visits since the voice's start.", lambda r: r.visits),
    ReportMetric("played_seconds", "seconds", "Time played for visitors.", lambda r: r.played_s),
    ReportMetric("underflows", "", "Blocks too late for the speaker.", lambda r: r.underflows),
)
GAUGES = (
    ReportMetric("uptime_seconds", "seconds", "Since the voice's start.", lambda r: r.uptime_s),
    ReportMetric("images_per_second", "", "Rate at the eye.", lambda r: r.images_per_s),
    ReportMetric("load_ratio", "ratio", "Synthesis time over real time.", lambda r: r.load),
    ReportMetric("tier", "", "Load-shedding tier; 0 is full quality.", lambda r: r.tier),
    ReportMetric("temperature_celsius", "celsius", "Hottest zone.", lambda r: r.celsius),
    ReportMetric("throttled", "", "Whether the CPU is throttled.", lambda r: r.throttled),
    ReportMetric("loudness_lufs", "lufs", "Momentary, BS.1770-4.", lambda r: r.loudness_lufs),
    ReportMetric("volume_decibels", "decibels", "Relative to the settings.", lambda r: r.volume_db),
    ReportMetric("speaker_playing", "", "Whether a speaker plays.", lambda r: bool(r.speaker)),
    ReportMetric("closed", "", "Closed by hours or standby.", lambda r: r.scene == "closed"),
    ReportMetric(
        "held",
        "",
        "Whether features or z are set from outside.",
        lambda r: r.held or bool(r.overridden),
    ),
    ReportMetric("standby", "", "Whether staff set standby.", lambda r: r.standby),
    ReportMetric("muted", "", "Whether staff muted it.", lambda r: r.muted),
    ReportMetric("quiet", "", "Whether the quiet-hours preset is on.", lambda r: r.quiet),
    ReportMetric("settings_refused", "", "Changed file is invalid.", lambda r: bool(r.refused)),
)


class Metrics(Collector):
    """The metrics of one instrument.

    Parameters
    ----------
    clock : seconds, monotonic
    refusals : counts what the monitor has refused

    Attributes
    ----------
    open_pages : gauge of open pages, counted by the web server
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        refusals: Refusals | None = None,
    ) -> None:
        self._clock = clock
        self._refusals = Refusals() if refusals is None else refusals
        self._linked = False
        self._report: Report | None = None
        self._received_s = -math.inf
        self._registry = CollectorRegistry()
        self._latency = Histogram(
            f"{PREFIX}latency_seconds",
            "From the newest image to the speaker, thirty times a second while a face is visible.",
            buckets=LATENCY_BUCKETS_S,
            registry=self._registry,
        )
        self.open_pages = Gauge(f"{PREFIX}pages", "Open pages.", registry=self._registry)
        self._registry.register(self)

    def on_message(self, message: Message) -> None:
        """Record a message of the voice."""
        if isinstance(message, Report):
            self._report, self._received_s = message, self._clock()
        elif isinstance(message, Energies) and not math.isnan(message.latency_s):
            self._latency.observe(message.latency_s)

    def on_link(self, up: bool) -> None:
        """Record whether the voice is connected; a lost connection discards its report."""
        self._linked = up
        if not up:
            self._report = None

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Body and content type, OpenMetrics or the older text format, by the Accept header."""
        try:
            encode, content_type = choose_encoder(accept)
        except (TypeError, ValueError):  # a version that is not a number
            encode, content_type = choose_encoder("")
        return encode(self._registry), content_type

    def collect(self) -> Iterator[Metric]:
        """Implement prometheus_client's Collector."""
        report = self._current_report()
        yield _refused(self._refusals)
        yield GaugeMetricFamily(
            f"{PREFIX}up", "Whether the voice reports.", float(report is not None)
        )
        if report is not None:
            yield from _gauges(report)
            yield from _counters(report)
            yield _faults(report.faults)
            yield _info("build", "Version of the program.", version=report.build)
            yield _info("pack", "The pack.", pack=report.pack, quality=report.quality)

    def _current_report(self) -> Report | None:
        fresh = self._clock() - self._received_s <= REPORT_TIMEOUT_S
        return self._report if self._linked and fresh else None


def _gauges(report: Report) -> Iterator[Metric]:
    for metric in GAUGES:
        value = metric.value(report)
        if value is not None:
            name = PREFIX + metric.name
            yield GaugeMetricFamily(name, metric.documentation, float(value), unit=metric.unit)


def _counters(report: Report) -> Iterator[Metric]:
    for metric in COUNTERS:
        name, value = PREFIX + metric.name, metric.value(report)
        yield CounterMetricFamily(name, metric.documentation, value, unit=metric.unit)


def _refused(refusals: Refusals) -> Metric:
    family = CounterMetricFamily(
        f"{PREFIX}refused", "Requests, connections and packets refused.", labels=["by", "reason"]
    )
    for key, count in refusals.counts.items():
        family.add_metric(key, count)
    return family


def _faults(counts: Mapping[str, int]) -> Metric:
    documentation = "Number of times a fault began, by kind."
    family = CounterMetricFamily(f"{PREFIX}faults", documentation, labels=["kind"])
    for kind, count in limit_kinds(counts).items():
        family.add_metric([kind], count)
    return family


def limit_kinds(counts: Mapping[str, int], limit: int = MAX_FAULT_KINDS) -> dict[str, int]:
    """Faults by kind: those of FAULTS, then others in order of appearance; `limit` and OTHER.

    The voice only ever appends kinds, so none moves to OTHER later.
    """
    by_kind = dict.fromkeys(FAULTS, 0) | dict(counts)
    by_kind.pop(UNDERFLOW, None)
    listed = dict(list(by_kind.items())[:limit])
    rest = sum(by_kind.values()) - sum(listed.values())
    return listed | ({OTHER: listed.get(OTHER, 0) + rest} if len(by_kind) > limit else {})


def _info(name: str, documentation: str, **labels: str) -> Metric:
    return InfoMetricFamily(PREFIX + name, documentation, value=labels)
