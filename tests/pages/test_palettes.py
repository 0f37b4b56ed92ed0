"""The wall's colours in Chromium: by its address, the settings, or what was last chosen there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.monitor_pages import MonitorPages, monitor_pages
from tests.support.monitor_server import TOKEN
from tests.support.timing import until

from latent_resonance.link.telemetry import Columns
from latent_resonance.monitor.maintenance import Maintenance

DARK = np.zeros((4, 256), np.uint8)
COLUMNS = Columns(1, 1, DARK, DARK)
pytestmark = pytest.mark.realtime
PRESSED = "#palettes button[aria-pressed=true]"


def shown(page: Any) -> str:
    return str(page.locator(PRESSED).get_attribute("data-name"))


def shown_after_columns(pages: MonitorPages, page: Any) -> str:
    pages.publish(COLUMNS)
    page.wait_for_timeout(20)
    return shown(page)


def test_the_wall_begins_with_the_palette_of_the_settings(chromium: Any, tmp_path: Path) -> None:
    with monitor_pages(tmp_path, chromium, palette="deep") as running:
        with running.opened("/") as page:
            assert shown(page) == "deep"
            page.locator("#palettes button[data-name=moon]").dispatch_event("click")
            assert shown(page) == "moon"
            page.reload()
            assert shown(page) == "deep"
        with running.opened("/?palette=violet") as page:
            assert shown(page) == "violet"


def test_without_a_setting_the_palette_last_chosen_is_kept(chromium: Any, tmp_path: Path) -> None:
    with monitor_pages(tmp_path, chromium) as running, running.opened("/") as page:
        assert shown(page) == "ember"
        page.locator("#palettes button[data-name=moon]").dispatch_event("click")
        page.reload()
        assert shown(page) == "moon"


def test_the_staff_change_the_palette_of_an_open_wall(chromium: Any, tmp_path: Path) -> None:
    settings = tmp_path / "gallery.yaml"
    settings.write_text("monitor:\n  viewers: 9  # as agreed\n")
    with monitor_pages(tmp_path, chromium) as running, running.opened("/") as page:
        running.server.services.maintenance = Maintenance(settings, {})
        for value, shown_then in (("violet", "violet"), ("", "ember")):
            step = {"kind": "settings", "value": {"monitor.palette": value}}
            head = {"Authorization": f"Bearer {TOKEN}"}
            assert page.request.post(f"{running.address}/maintain", data=step, headers=head).ok
            until(lambda: shown_after_columns(running, page) == shown_then, 20, shown_then)  # noqa: B023
        page.reload()
        assert shown(page) == "ember"
    assert "  viewers: 9  # as agreed\n" in settings.read_text()
