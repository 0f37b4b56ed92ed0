"""The documentation of the metrics: the table, the dashboard and the alert rules."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from tests.support.status_reports import energies, report

from latent_resonance.monitor.metrics import Metrics

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "docs/grafana-dashboard.json").read_text())
ALERTS = yaml.safe_load((ROOT / "docs/alerts.yaml").read_text())
RULES = [rule for group in ALERTS["groups"] for rule in group["rules"]]
COLUMNS = 24  # of Grafana's grid


def exported() -> list[Metric]:
    """The metrics of an instrument that plays."""
    metrics = Metrics()
    metrics.on_link(True)
    metrics.on_message(report())
    metrics.on_message(energies(0.05))
    body, _ = metrics.exposition("application/openmetrics-text;version=1.0.0")
    return list(text_string_to_metric_families(body.decode()))


def expressions() -> Iterator[tuple[str, str]]:
    """Every PromQL expression of the docs, by where it is; Grafana's variables replaced."""
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], in_prometheus(target["expr"])


def in_prometheus(expression: str) -> str:
    return expression.replace("$__rate_interval", "1m").replace("$__range", "1h")


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_every_expression_of_the_docs_is_promql(where: str, expression: str) -> None:
    assert promql_parser.parse(expression) is not None, where


def test_an_invalid_expression_is_detected() -> None:
    with pytest.raises(ValueError, match="unclosed"):
        promql_parser.parse("sum(rate(latent_resonance_visits_total[5m])")


def test_the_docs_name_only_exported_metrics() -> None:
    names = {sample.name for family in exported() for sample in family.samples}
    text = " ".join(expression for _, expression in expressions())
    used = set(re.findall(r"latent_resonance_\w+", text))
    assert len(used) > 12
    assert used <= names


def test_the_table_of_the_docs_lists_every_exported_metric() -> None:
    table = (ROOT / "docs/monitoring.md").read_text()
    listed = set(re.findall(r"^\| `(latent_resonance_\w+)", table, re.MULTILINE))
    kinds = {"counter": "_total", "info": "_info"}
    assert listed == {family.name + kinds.get(family.type, "") for family in exported()}


def test_every_alert_has_a_severity_and_an_explanation() -> None:
    explained = (ROOT / "docs/monitoring.md").read_text()
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert {"summary", "description"} <= set(rule["annotations"])
        assert "$labels.instance" in rule["annotations"]["summary"]
        assert f"`{rule['alert']}`" in explained


def test_every_panel_queries_the_selected_source_and_instruments() -> None:
    names = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    assert names == {"datasource", "instance"}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            selectors = re.findall(r"latent_resonance_\w+(\{[^}]*\})?", target["expr"])
            assert selectors
            assert all('instance=~"$instance"' in selector for selector in selectors)


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert cells
        assert not cells & taken
        assert all(x < COLUMNS for x, _ in cells)
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["id"] is None
    assert DASHBOARD["uid"] == "latent-resonance"
    assert not any("uid" in panel and panel["uid"] for panel in DASHBOARD["panels"])


def promtool(*arguments: str) -> str:
    if (program := shutil.which("promtool")) is None:
        pytest.skip("promtool is part of Debian's prometheus, which is 300 MB with what it needs")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_alert_rules() -> None:
    assert f"{len(RULES)} rules found" in promtool("check", "rules", str(ROOT / "docs/alerts.yaml"))


def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    cases = Path(__file__).with_name("alerts.test.yaml")
    assert "SUCCESS" in promtool("test", "rules", str(cases))


def test_every_alert_is_tested() -> None:
    cases = Path(__file__).with_name("alerts.test.yaml").read_text()
    tested = set(re.findall(r'alertname="(\w+)", instance=', cases))
    assert tested == {rule["alert"] for rule in RULES}
