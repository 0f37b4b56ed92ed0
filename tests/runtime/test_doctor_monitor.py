"""The doctor's check of the monitor: its page, its token, and remedies."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from latent_resonance.config.monitor import Monitor
from latent_resonance.doctor.monitor import check_monitor
from latent_resonance.doctor.units import MONITOR, UnitState

RUNNING = UnitState(MONITOR, "loaded", "active", "enabled")
TOKEN = "0123456789abcdef0123456789abcdef"


class Page(http.server.BaseHTTPRequestHandler):
    """Answers like the monitor, with `health` as the content."""

    health = b""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
        self.wfile.write(self.health)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def page() -> Iterator[Monitor]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Monitor(port=server.server_port)
    server.shutdown()
    server.server_close()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "monitor-token"
    path.write_text(f"{TOKEN}\n")
    return path


def set_health(healthy: bool, reason: str = "") -> None:
    Page.health = json.dumps({"healthy": healthy, "reason": reason}).encode()


def test_a_healthy_page_is_ok_with_address_and_token(page: Monitor, token: Path) -> None:
    set_health(True)
    check = check_monitor(RUNNING, page, token)
    assert check.verdict == "ok"
    assert f"http://127.0.0.1:{page.port}/staff, token {TOKEN}" in check.detail


def test_without_permission_the_token_is_not_shown(page: Monitor, tmp_path: Path) -> None:
    set_health(True)
    check = check_monitor(RUNNING, page, tmp_path / "none")
    assert "shown to root" in check.detail


def test_an_unhealthy_page_is_a_warning(page: Monitor, token: Path) -> None:
    set_health(False, "no speaker plays")
    check = check_monitor(RUNNING, page, token)
    assert (check.verdict, "no speaker plays" in check.detail) == ("warn", True)


@pytest.mark.parametrize("content", [b"", b"not JSON", b"[1"])
def test_a_page_that_does_not_answer_fails(page: Monitor, token: Path, content: bytes) -> None:
    Page.health = content
    check = check_monitor(RUNNING, page, token)
    assert check.verdict == "fail"
    assert "journalctl" in check.remedy


def test_an_installed_monitor_that_is_not_running_fails(token: Path) -> None:
    check = check_monitor(UnitState(MONITOR, "loaded", "failed"), Monitor(), token)
    assert (check.verdict, "failed" in check.detail) == ("fail", True)
