"""The wall's colours in Chromium: by its address, the settings, or what was last chosen there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.support.monitor_pages import monitor_pages

pytestmark = pytest.mark.realtime
PRESSED = "#palettes button[aria-pressed=true]"


def shown(page: Any) -> str:
    return str(page.locator(PRESSED).get_attribute("data-name"))


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
