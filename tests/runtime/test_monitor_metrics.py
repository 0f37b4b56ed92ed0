"""The metrics for Prometheus, and the answers of /healthz."""

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
from tests.support.timing import Clock

from latent_resonance.link.telemetry import Report, decode
from latent_resonance.monitor.health import STATES, health_of, healthz
from latent_resonance.monitor.metrics import FAULTS, MAX_FAULT_KINDS, OTHER, Metrics, limit_kinds

ROOT = Path(__file__).parents[2]
OPENMETRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
VOICE_IS_UP = {"latent_resonance_up": 1.0}


class Scraper:
    """An instrument's metrics, as Prometheus reads them."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.metrics = Metrics(self.clock)
        self.metrics.on_link(True)

    def samples(self, *messages: Any) -> dict[str, float]:
        """All samples after these messages, by name with labels."""
        for message in messages:
            self.metrics.on_message(message)
        body, _ = self.metrics.exposition(OPENMETRICS)
        families = text_string_to_metric_families(body.decode())
        return {sample_name(s.name, s.labels): s.value for f in families for s in f.samples}


def sample_name(name: str, labels: dict[str, str]) -> str:
    label_text = ",".join(f'{key}="{value}"' for key, value in labels.items())
    return f"{name}{{{label_text}}}" if label_text else name


@pytest.fixture
def scraper() -> Scraper:
    return Scraper()


def test_every_value_of_a_report_has_its_metric(scraper: Scraper) -> None:
    samples = scraper.samples(report())
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
def test_a_switch_is_1_while_it_is_on(scraper: Scraper, name: str, changes: dict[str, Any]) -> None:
    assert scraper.samples(report(**changes))[f"latent_resonance_{name}"] == 1


def test_a_lost_speaker_is_not_playing(scraper: Scraper) -> None:
    assert scraper.samples(report(speaker=""))["latent_resonance_speaker_playing"] == 0


def test_a_machine_without_a_thermometer_has_no_temperature(scraper: Scraper) -> None:
    assert "latent_resonance_temperature_celsius" not in scraper.samples(report(celsius=None))


def test_a_voice_that_starts_again_is_a_counter_reset(scraper: Scraper) -> None:
    before = scraper.samples(report())
    after = scraper.samples(report(uptime_s=1.0, visits=0, played_s=0.0, underflows=1, faults={}))
    totals = {name for name in before if name.endswith("_total")}
    assert all(after[name] <= before[name] for name in before if "_total" in name)
    assert after["latent_resonance_underflows_total"] == 1
    assert after["latent_resonance_visits_total"] == 0
    assert totals


def test_totals_from_before_the_monitors_start_are_included(scraper: Scraper) -> None:
    assert scraper.samples(report(visits=4000))["latent_resonance_visits_total"] == 4000


def test_a_disconnected_voice_has_no_values(scraper: Scraper) -> None:
    assert len(scraper.samples(report())) > 20
    scraper.metrics.on_link(False)
    assert of_voice(scraper.samples()) == {"latent_resonance_up": 0.0}
    assert of_voice(scraper.samples(report())) == {"latent_resonance_up": 0.0}  # a late one
    scraper.metrics.on_link(False)
    scraper.metrics.on_link(True)
    assert of_voice(scraper.samples()) == {"latent_resonance_up": 0.0}
    assert of_voice(scraper.samples(report())).items() >= VOICE_IS_UP.items()


def test_a_voice_that_hangs_has_no_values_after_five_seconds(scraper: Scraper) -> None:
    scraper.samples(report())
    scraper.clock.now_s += 4.9
    assert of_voice(scraper.samples()).items() >= VOICE_IS_UP.items()
    scraper.clock.now_s += 0.2
    assert of_voice(scraper.samples()) == {"latent_resonance_up": 0.0}


def of_voice(samples: dict[str, float]) -> dict[str, float]:
    """All but the histogram and the open pages, which are the monitor's."""
    own = ("latent_resonance_latency_seconds", "latent_resonance_pages")
    return {name: value for name, value in samples.items() if not name.startswith(own)}


def test_latencies_fall_into_their_buckets_and_nan_is_ignored(scraper: Scraper) -> None:
    samples = scraper.samples(*map(energies, (0.015, 0.07, 0.07, 0.4, 3.0, math.nan)))
    name = "latent_resonance_latency_seconds"
    assert samples[f"{name}_count"] == 5
    assert samples[f"{name}_sum"] == pytest.approx(3.555)
    assert samples[f'{name}_bucket{{le="0.02"}}'] == 1
    assert samples[f'{name}_bucket{{le="0.06"}}'] == 1
    assert samples[f'{name}_bucket{{le="0.08"}}'] == 3
    assert samples[f'{name}_bucket{{le="1.0"}}'] == 4
    assert samples[f'{name}_bucket{{le="+Inf"}}'] == 5


def test_known_kinds_of_faults_start_at_zero(scraper: Scraper) -> None:
    samples = scraper.samples(report(faults={}))
    for kind in FAULTS:
        assert samples[f'latent_resonance_faults_total{{kind="{kind}"}}'] == 0


def test_underflows_are_not_counted_among_the_faults(scraper: Scraper) -> None:
    samples = scraper.samples(report(faults={"underflow": 7}, underflows=7))
    assert samples["latent_resonance_underflows_total"] == 7
    assert not any("underflow" in name for name in samples if "faults" in name)


def test_kinds_of_faults_beyond_the_limit_count_as_other(scraper: Scraper) -> None:
    many = {f"kind {i}": i for i in range(100)}
    samples = scraper.samples(report(faults=many))
    kinds = {name: value for name, value in samples.items() if "faults_total" in name}
    assert len(kinds) == MAX_FAULT_KINDS + 1
    assert sum(kinds.values()) == sum(many.values())
    assert kinds[f'latent_resonance_faults_total{{kind="{OTHER}"}}'] > 0


def test_a_new_kind_of_fault_never_decreases_a_counter() -> None:
    faults: dict[str, int] = {}
    before = limit_kinds(faults)
    for i in range(60):
        faults[f"kind {i}"] = 1 + i
        after = limit_kinds(faults)
        assert all(after[kind] >= number for kind, number in before.items())
        before = after


def test_the_known_faults_are_those_that_the_supervisor_counts() -> None:
    source = (ROOT / "runtime/latent_resonance/voice/supervisor.py").read_text()
    counted = re.findall(r'faults\.update\(\s*"([^"]+)"', source)
    assert tuple(counted) == FAULTS


def test_the_accept_header_selects_openmetrics_or_the_older_text(scraper: Scraper) -> None:
    scraper.metrics.on_message(report())
    body, content_type = scraper.metrics.exposition(OPENMETRICS)
    assert content_type.startswith("application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert body.endswith(b"# EOF\n")
    body, content_type = scraper.metrics.exposition("*/*")
    assert content_type.startswith("text/plain; version=0.0.4")
    older = {s.name for f in older_families(body.decode()) for s in f.samples}
    assert {"latent_resonance_visits_total", "latent_resonance_build_info"} <= older


@pytest.mark.parametrize(
    "accept",
    ["", "application/openmetrics-text;version=x", "text/plain;version=..;escaping=?", "é"],
)
def test_an_invalid_accept_header_is_answered_all_the_same(scraper: Scraper, accept: str) -> None:
    body, _ = scraper.metrics.exposition(accept)
    assert b"latent_resonance_up 0" in body


def test_a_report_that_crossed_the_link_gives_the_same_samples(scraper: Scraper) -> None:
    decoded = decode(report().encode())
    assert scraper.samples(decoded) == Scraper().samples(report()) | created(scraper)


def created(scraper: Scraper) -> dict[str, float]:
    """The creation time of the histogram, which differs."""
    return {k: v for k, v in scraper.samples().items() if k.endswith("_created")}


@pytest.mark.parametrize(
    ("latest", "age_s", "state", "status", "words"),
    [
        (report(), 0.4, "playing", 200, ""),
        (report(), 5.0, "playing", 200, ""),
        (report(), 5.1, "unheard", 503, "no report from the voice for 5 s"),
        (report(scene="closed"), 61.0, "unheard", 503, "no report from the voice for 61 s"),
        (report(), math.nan, "unheard", 503, "no report from the voice"),
        (None, math.inf, "unheard", 503, "no report from the voice"),
        (report(speaker=""), 0.4, "speakerless", 503, "no speaker"),
        (report(speaker="", muted=True), 0.4, "speakerless", 503, "no speaker"),
        (report(speaker="", scene="closed"), 0.4, "closed", 200, ""),
        (report(speaker="", scene="closed", standby=True), 0.4, "standby", 200, ""),
        (report(muted=True), 0.4, "muted", 200, ""),
        (report(quiet=True), 0.4, "quiet", 200, ""),
        (report(images_per_s=0.0, tier=3), 0.4, "playing", 200, ""),
    ],
)
def test_healthz_is_200_while_it_plays_or_is_silent_on_purpose(
    latest: Report | None, age_s: float, state: str, status: int, words: str
) -> None:
    code, content = healthz(latest, age_s)
    assert (code, content["state"], content["healthy"]) == (status, state, status == 200)
    assert words in content["reason"]
    assert bool(content["reason"]) == (status == 503)
    json.dumps(content, allow_nan=False)


def test_every_state_is_a_documented_one() -> None:
    assert health_of(report(), 0.0).state in STATES
    assert len(set(STATES)) == 7
