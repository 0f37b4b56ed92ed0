"""Takes of the sound on the staff page in Chromium: begun, ended, listed, downloaded, deleted."""

from __future__ import annotations

import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.pages.test_accessibility import violations
from tests.support.monitor_pages import REPORT, MonitorPages
from tests.support.monitor_server import TOKEN, status_of

from latent_resonance.audio.wav import WavFile

pytestmark = pytest.mark.realtime
RATE = 48_000


@pytest.fixture
def page(pages: MonitorPages) -> Iterator[Any]:
    """The staff page, without takes at its end."""
    pages.sent.clear()
    with pages.unlocked(locale="en-GB", accept_downloads=True) as opened:
        opened.on("dialog", lambda dialog: dialog.accept())
        yield opened
    for each in pages.server.services.takes.state()["takes"]:
        pages.server.call(pages.server.services.takes.delete, each["name"])


def record(page: Any, pages: MonitorPages, seconds: float) -> None:
    """Begin a take on the page, record as the voice does, and end it on the page."""
    with page.expect_response("**/takes"):
        page.click("#take")
    file = WavFile(next(each.file for each in pages.sent if each.file is not None), RATE)
    file.write(np.full(round(seconds * RATE), 0.25, np.float32))
    pages.publish(replace(REPORT, take_s=seconds))
    page.wait_for_selector("#take[aria-pressed=true]:has-text('end the take')")
    with page.expect_response("**/takes"):
        page.click("#take")
    file.close()
    pages.publish(REPORT)


def test_a_take_is_recorded_downloaded_and_deleted(
    page: Any, pages: MonitorPages, tmp_path: Path
) -> None:
    assert page.locator("#take").text_content() == "record a take"
    record(page, pages, 1.5)
    page.wait_for_selector("#takes li:has-text('0:01, 0.1 MB')")
    assert [each.value for each in pages.sent if each.kind == "take"] == [600.0, 0.0]
    assert page.locator("#take-length").text_content() == ""
    with page.expect_download() as downloading:
        page.click("#takes button:text-is('download')")
    downloading.value.save_as(tmp_path / "take.wav")
    assert downloading.value.suggested_filename.startswith("take-20")
    with wave.open(str(tmp_path / "take.wav")) as file:
        assert file.getnframes() == round(1.5 * RATE)
    page.click("#takes button:text-is('delete')")
    page.wait_for_selector("#takes:not(:has(li))", state="attached")


def test_its_length_is_shown_while_it_is_recorded(page: Any, pages: MonitorPages) -> None:
    pages.publish(replace(REPORT, take_s=75.4))  # begun on another page
    page.wait_for_selector("#take-length:text-is('1:15 of at most 10:00')")
    assert page.locator("#take").get_attribute("aria-pressed") == "true"
    pages.publish(REPORT)
    page.wait_for_selector("#take[aria-pressed=false]")


def test_axe_finds_nothing_while_one_take_is_recorded_and_one_listed(
    page: Any, pages: MonitorPages
) -> None:
    record(page, pages, 0.1)
    pages.publish(replace(REPORT, take_s=3.0))
    page.wait_for_selector("#take[aria-pressed=true]")
    page.wait_for_selector("#takes li")
    assert violations(page) == []
    pages.publish(REPORT)


def test_a_take_is_downloaded_with_the_token_only(page: Any, pages: MonitorPages) -> None:
    record(page, pages, 0.1)
    (take,) = pages.server.services.takes.state()["takes"]

    def status(name: str, token: str) -> int:
        head = f"GET /takes/{name} HTTP/1.0\r\nHost: localhost\r\nAuthorization: Bearer {token}"
        return status_of(pages.server.exchange(f"{head}\r\n\r\n".encode()))

    assert status(take["name"], TOKEN) == 200
    assert status(take["name"], "") == 401
    assert status("..%2f..%2fmonitor-token", TOKEN) == 400
    assert status(take["name"], TOKEN) == 200


def test_why_a_take_cannot_begin_is_said_in_the_language_of_the_page(pages: MonitorPages) -> None:
    with pages.unlocked(locale="de-DE") as page:
        pages.server.services.takes.seconds = 3.0  # begun on another page, and not yet reported
        page.click("#take")
        page.wait_for_selector("#answer:text-is('Eine Aufnahme läuft; zuerst diese beenden')")
        pages.publish(REPORT)
