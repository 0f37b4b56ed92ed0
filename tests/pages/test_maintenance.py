"""Maintenance on the staff page in Chromium, against the settings file of the monitor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.monitor_pages import MonitorPages
from tests.support.monitor_server import TOKEN

from latent_resonance.monitor.maintenance import Maintenance

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def file(pages: MonitorPages, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("site") / "gallery.yaml"
    path.write_text("output:\n  volume_db: -3  # as agreed\n")
    pages.server.services.maintenance = Maintenance(path, {})
    return path


@pytest.fixture(scope="module")
def page(pages: MonitorPages, file: Path) -> Iterator[Any]:
    assert file.exists()  # the settings of this monitor
    with pages.unlocked(locale="en-GB") as opened:
        opened.click("#read-settings")
        opened.wait_for_selector("#settings input")
        yield opened


def save(page: Any, key: str, value: str) -> None:
    page.fill(f"#settings input[name='{key}']", value)
    with page.expect_response("**/maintain"):
        page.click("#save-settings")


def test_a_changed_setting_is_in_the_file_with_its_comment(page: Any, file: Path) -> None:
    save(page, "output.volume_db", "-9")
    page.wait_for_selector("#maintained:has-text('saved')")
    assert file.read_text() == "output:\n  volume_db: -9  # as agreed\n"
    assert page.input_value("#settings input[name='output.volume_db']") == "-9"


def test_a_refused_setting_says_why_and_stays_to_be_corrected(page: Any, file: Path) -> None:
    before = file.read_text()
    save(page, "hours.daily", "late")
    page.wait_for_selector("#answer:has-text('hours.daily')")
    assert file.read_text() == before
    assert page.input_value("#settings input[name='hours.daily']") == "late"


def test_without_a_unit_there_is_a_sentence_in_place_of_the_restarts(page: Any) -> None:
    page.wait_for_selector("#no-unit:visible")
    assert not page.locator("[data-restart=machine]").is_visible()


def test_the_link_of_the_terminal_unlocks_the_page_and_leaves_the_address_bar(
    page: Any,
) -> None:
    opened = page.context.browser.new_page()
    opened.goto(f"{page.url}#token={TOKEN}")
    opened.wait_for_selector("#maintenance:enabled")
    assert opened.url == page.url
    opened.close()
