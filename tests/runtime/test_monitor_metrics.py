"""What Prometheus reads of an instrument, and what /healthz answers."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.parser import text_string_to_metric_families as older_families
from tests.support.status_reports import energies, report

from latent_resonance.link.telemetry import Report, decode
from latent_resonance.monitor.health import STATES, condition_of, healthz
from latent_resonance.monitor.metrics import FAULTS, MOST_FAULTS, OTHER, Metrics, bounded

ROOT = Path(__file__).parents[2]
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
VOICE_IS_UP = {"latent_resonance_up": 1.0}


class Clock:
    """Stands where time passes."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Scraped:
    """An instrument's numbers, and Prometheus, which reads them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics(self.clock)
        self.metrics.linked(True)

    def samples(self, *messages: Any) -> dict[str, float]:
        """All that is read after these have been taken; by name, with its labels."""
        for message in messages:
            self.metrics.take(message)
        body, _ = self.metrics.page(OPENMETRICS)
        families = text_string_to_metric_families(body.decode())
        return {written(s.name, s.labels): s.value for f in families for s in f.samples}


def written(name: str, labels: dict[str, str]) -> str:
    inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{inner}}}" if inner else name


@pytest.fixture
def scraped() -> Scraped:
    return Scraped()


def test_every_number_of_a_report_is_read_under_its_name(scraped: Scraped) -> None:
    samples = scraped.samples(report())
    expected = {
        "up": 1,
        "visits_total": 12,
        "played_seconds_total": 345.5,
        "underflows_total": 3,
        'faults_total{kind="eye silent"}': 2,
        "uptime_seconds": 3600,
        "images_per_second": 29.96,
        "load_ratio": 0.21,
        "tier": 0,
        "temperature_celsius": 61.5,
        "throttled": 0,
        "loudness_lufs": -19.53,
        "volume_decibels": -3,
        "speaker_playing": 1,
        "closed": 0,
        "standby": 0,
        "muted": 0,
        "quiet": 0,
        "settings_refused": 0,
        'build_info{version="0.2.0"}': 1,
        'pack_info{pack="cello",quality="high"}': 1,
    }
    assert {f"latent_resonance_{name}": value for name, value in expected.items()}.items() <= (
        samples.items()
    )


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("throttled", {"throttled": True}),
        ("closed", {"scene": "closed"}),
        ("standby", {"standby": True}),
        ("muted", {"muted": True}),
        ("quiet", {"quiet": True}),
        ("settings_refused", {"refused": "camera.widht: unknown key"}),
    ],
)
def test_a_switch_is_one_while_it_is_on(
    scraped: Scraped, name: str, changes: dict[str, Any]
) -> None:
    assert scraped.samples(report(**changes))[f"latent_resonance_{name}"] == 1


def test_a_lost_speaker_does_not_play(scraped: Scraped) -> None:
    assert scraped.samples(report(speaker=""))["latent_resonance_speaker_playing"] == 0


def test_a_machine_without_a_thermometer_has_no_temperature(scraped: Scraped) -> None:
    assert "latent_resonance_temperature_celsius" not in scraped.samples(report(celsius=None))


def test_a_voice_that_starts_again_is_a_counter_reset(scraped: Scraped) -> None:
    before = scraped.samples(report())
    after = scraped.samples(report(uptime_s=1.0, visits=0, played_s=0.0, underflows=1, faults={}))
    totals = {name for name in before if name.endswith("_total")}
    assert all(after[name] <= before[name] for name in before if "_total" in name)
    assert after["latent_resonance_underflows_total"] == 1
    assert after["latent_resonance_visits_total"] == 0
    assert totals


def test_what_was_counted_before_the_monitor_came_is_there_at_once(scraped: Scraped) -> None:
    assert scraped.samples(report(visits=4000))["latent_resonance_visits_total"] == 4000


def test_without_a_link_the_voice_has_no_numbers(scraped: Scraped) -> None:
    assert len(scraped.samples(report())) > 20
    scraped.metrics.linked(False)
    assert of_the_voice(scraped.samples()) == {"latent_resonance_up": 0.0}
    assert of_the_voice(scraped.samples(report())) == {"latent_resonance_up": 0.0}  # a late one
    scraped.metrics.linked(False)
    scraped.metrics.linked(True)
    assert of_the_voice(scraped.samples()) == {"latent_resonance_up": 0.0}
    assert of_the_voice(scraped.samples(report())).items() >= VOICE_IS_UP.items()


def test_a_voice_that_hangs_has_no_numbers_after_five_seconds(scraped: Scraped) -> None:
    scraped.samples(report())
    scraped.clock.now_s += 4.9
    assert of_the_voice(scraped.samples()).items() >= VOICE_IS_UP.items()
    scraped.clock.now_s += 0.2
    assert of_the_voice(scraped.samples()) == {"latent_resonance_up": 0.0}


def of_the_voice(samples: dict[str, float]) -> dict[str, float]:
    """All but the histogram and the pages, which are the monitor's."""
    own = ("latent_resonance_latency_seconds", "latent_resonance_pages")
    return {name: value for name, value in samples.items() if not name.startswith(own)}


def test_latencies_fall_into_their_buckets_and_nan_into_none(scraped: Scraped) -> None:
    samples = scraped.samples(*map(energies, (0.015, 0.07, 0.07, 0.4, 3.0, math.nan)))
    name = "latent_resonance_latency_seconds"
    assert samples[f"{name}_count"] == 5
    assert samples[f"{name}_sum"] == pytest.approx(3.555)
    assert samples[f'{name}_bucket{{le="0.02"}}'] == 1
    assert samples[f'{name}_bucket{{le="0.06"}}'] == 1
    assert samples[f'{name}_bucket{{le="0.08"}}'] == 3
    assert samples[f'{name}_bucket{{le="1.0"}}'] == 4
    assert samples[f'{name}_bucket{{le="+Inf"}}'] == 5


def test_the_kinds_of_faults_that_there_are_begin_at_zero(scraped: Scraped) -> None:
    samples = scraped.samples(report(faults={}))
    for kind in FAULTS:
        assert samples[f'latent_resonance_faults_total{{kind="{kind}"}}'] == 0


def test_underflows_are_counted_once_and_not_among_the_faults(scraped: Scraped) -> None:
    samples = scraped.samples(report(faults={"underflow": 7}, underflows=7))
    assert samples["latent_resonance_underflows_total"] == 7
    assert not any("underflow" in name for name in samples if "faults" in name)


def test_kinds_of_faults_beyond_the_bound_are_other_and_none_is_lost(scraped: Scraped) -> None:
    many = {f"kind {i}": i for i in range(100)}
    samples = scraped.samples(report(faults=many))
    kinds = {name: value for name, value in samples.items() if "faults_total" in name}
    assert len(kinds) == MOST_FAULTS + 1
    assert sum(kinds.values()) == sum(many.values())
    assert kinds[f'latent_resonance_faults_total{{kind="{OTHER}"}}'] > 0


def test_a_new_kind_of_fault_makes_no_counter_fall() -> None:
    faults: dict[str, int] = {}
    before = bounded(faults)
    for i in range(60):
        faults[f"kind {i}"] = 1 + i
        after = bounded(faults)
        assert all(after[kind] >= number for kind, number in before.items())
        before = after


def test_the_faults_that_are_known_are_those_that_an_attendant_notices() -> None:
    source = (ROOT / "runtime/latent_resonance/voice/supervisor.py").read_text()
    noticed = re.findall(r'faults\.notice\(\s*"([^"]+)"', source)
    assert tuple(noticed) == FAULTS


def test_the_reader_chooses_between_openmetrics_and_the_older_text(scraped: Scraped) -> None:
    scraped.metrics.take(report())
    body, content_type = scraped.metrics.page(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert body.endswith(b"# EOF\n")
    body, content_type = scraped.metrics.page("*/*")
    assert content_type.startswith("text/plain; version=0.0.4")
    older = {s.name for f in older_families(body.decode()) for s in f.samples}
    assert {"latent_resonance_visits_total", "latent_resonance_build_info"} <= older


@pytest.mark.parametrize(
    "accept",
    ["", "application/openmetrics-text;version=x", "text/plain;version=..;escaping=?", "é"],
)
def test_an_accept_header_that_makes_no_sense_is_answered_all_the_same(
    scraped: Scraped, accept: str
) -> None:
    body, _ = scraped.metrics.page(accept)
    assert b"latent_resonance_up 0" in body


def test_a_report_as_it_crosses_the_link_is_read_the_same(scraped: Scraped) -> None:
    crossed = decode(report().encode())
    assert scraped.samples(crossed) == Scraped().samples(report()) | created(scraped)


def created(scraped: Scraped) -> dict[str, float]:
    """When the histogram was made, which differs."""
    return {k: v for k, v in scraped.samples().items() if k.endswith("_created")}


@pytest.mark.parametrize(
    ("heard", "age_s", "state", "status", "words"),
    [
        (report(), 0.4, "playing", 200, ""),
        (report(), 5.0, "playing", 200, ""),
        (report(), 5.1, "unheard", 503, "said nothing for 5 s"),
        (report(scene="closed"), 61.0, "unheard", 503, "said nothing for 61 s"),
        (report(), math.nan, "unheard", 503, "said nothing"),
        (None, math.inf, "unheard", 503, "not heard"),
        (report(speaker=""), 0.4, "speakerless", 503, "no speaker"),
        (report(speaker="", muted=True), 0.4, "speakerless", 503, "no speaker"),
        (report(speaker="", scene="closed"), 0.4, "closed", 200, ""),
        (report(speaker="", scene="closed", standby=True), 0.4, "standby", 200, ""),
        (report(muted=True), 0.4, "muted", 200, ""),
        (report(quiet=True), 0.4, "quiet", 200, ""),
        (report(images_per_s=0.0, tier=3), 0.4, "playing", 200, ""),
    ],
)
def test_healthz_says_whether_it_plays_or_rightly_does_not(
    heard: Report | None, age_s: float, state: str, status: int, words: str
) -> None:
    code, content = healthz(heard, age_s)
    assert (code, content["state"], content["healthy"]) == (status, state, status == 200)
    assert words in content["reason"]
    assert bool(content["reason"]) == (status == 503)
    json.dumps(content, allow_nan=False)


def test_every_condition_is_one_that_is_named() -> None:
    assert condition_of(report(), 0.0).state in STATES
    assert len(set(STATES)) == 7
