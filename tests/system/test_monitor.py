"""The monitor's pages in a real browser, with the whole instrument."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
import pytest
from tests.support.gallery_process import Gallery
from tests.support.timing import PATIENCE, until

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.alone,  # Chromium draws in software
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("reset_controls"),
]
SIZES = {"phone": (360, 740), "display": (2560, 1440)}


def brightness(image: np.ndarray) -> np.ndarray:
    """Brightness of each column of the newest tenth."""
    return image[:, -image.shape[1] // 10 :].mean(axis=(0, 2))


def test_the_spectrogram_scrolls_with_the_sound_and_is_black_in_silence(
    visit: Any, gallery: Gallery
) -> None:
    page = visit("/")
    time.sleep(4)
    before = page.screenshot()
    time.sleep(1)
    after = page.screenshot()
    assert brightness(after).mean() > 2.0
    assert np.abs(after - before).mean() > 1.0
    moved = int(after.shape[1] / 12)  # a second's width
    at_rest = np.abs(after[:, -400:] - before[:, -400:]).mean()
    followed = [
        np.abs(after[:, -400 - n : -n] - before[:, -400:]).mean()
        for n in range(moved // 2, 2 * moved)
    ]
    assert min(followed) < 0.5 * at_rest  # it scrolls rather than flickers
    gallery.control(muted=True)
    time.sleep(3.5)
    assert brightness(page.screenshot()).max() < 1.0
    assert page.errors == []


def test_the_tools_are_hidden_until_the_mouse_moves(visit: Any) -> None:
    page = visit("/").page
    time.sleep(4)
    tools = page.locator("#tools")

    def opacity() -> float:
        return float(tools.evaluate("e => getComputedStyle(e).opacity"))

    assert opacity() == 0.0
    page.mouse.move(200, 200)
    until(lambda: opacity() == 1.0, 5, "tools")
    assert tools.get_by_role("button").count() >= 3
    until(lambda: opacity() == 0.0, 10, "no tools")


def test_a_palette_is_selected_by_a_key_and_saved(visit: Any) -> None:
    page = visit("/").page
    pressed = page.locator("#palettes button[aria-pressed=true]")
    assert pressed.text_content() == "ember"  # waits for the script
    page.keyboard.press("2")
    assert pressed.text_content() == "moon"
    page.reload()
    assert pressed.text_content() == "moon"


def test_reduced_motion_shows_still_images_that_change_now_and_then(visit: Any) -> None:
    page = visit("/", reduced_motion="reduce")
    time.sleep(4)
    screenshots = [page.page.screenshot() for _ in range(12)]
    assert len(set(screenshots)) <= 1 + len(screenshots) / 2


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("path", ["/", "/staff"])
def test_pages_fit_a_phone_and_a_display(visit: Any, name: str, path: str) -> None:
    width, height = SIZES[name]
    page = visit(path, viewport={"width": width, "height": height}).page
    page.wait_for_timeout(1500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if path == "/":
        box = page.locator("canvas").bounding_box()
        assert (box["width"], box["height"]) == (width, height)
    else:
        for button in page.get_by_role("button").all():
            if button.is_visible():
                assert button.bounding_box()["height"] >= 40  # large enough for a finger


def test_every_control_has_a_name_and_is_reachable_by_keyboard(
    visit: Any, gallery: Gallery
) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    page = opened.page
    page.wait_for_selector("#next:enabled")
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, select, meter')].filter(e =>
           e.offsetParent && !e.textContent.trim() && !e.getAttribute('aria-label')
           && !e.labels?.length).map(e => e.outerHTML)"""
    )
    assert unnamed == []
    reached = set()
    for _ in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim().slice(0, 20)"))
    assert {"mute", "standby", "quiet", "test tone", "next pack"} <= reached


def test_controls_are_locked_until_the_right_token_is_given(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    page = opened.page
    page.wait_for_selector("#doing:has-text('playing')")
    assert page.locator("#controls").evaluate("e => e.disabled")
    page.fill("#token", "not the token at all")
    page.click("text=unlock")
    page.wait_for_selector("#answer:has-text('the token is wrong')")
    assert page.locator("#controls").evaluate("e => e.disabled")
    opened.unlock(gallery)
    assert page.locator("#answer").text_content() == ""
    assert page.locator("#token").is_hidden()


def test_without_the_token_the_page_shows_neither_meters_nor_state(visit: Any) -> None:
    page = visit("/staff").page
    page.wait_for_selector("#doing:has-text('playing')")
    time.sleep(1.0)
    assert page.locator("#value-present").text_content() == ""
    assert page.locator("#state").text_content() == ""


def test_the_meters_follow_the_face(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    page = opened.page
    page.wait_for_selector("#value-present:text-is('face')")
    mouth = []
    for _ in range(40):
        mouth.append(page.evaluate("document.getElementById('meter-mouth_open').value"))
        time.sleep(0.1)
    assert min(mouth) < 0.2
    assert max(mouth) > 0.3
    assert int(page.locator("#value-latency").text_content().split()[0]) < 200 * PATIENCE


def test_pages_request_only_from_this_machine_and_without_errors(
    visit: Any, gallery: Gallery
) -> None:
    for path in ("/", "/staff"):
        opened = visit(path)
        opened.page.wait_for_timeout(2000)
        origin = f"//127.0.0.1:{gallery.port}/"
        assert opened.urls
        assert all(origin in url for url in opened.urls), opened.urls
        assert opened.errors == []


def test_a_killed_monitor_restarts_and_the_sound_never_stops(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    opened.page.wait_for_selector("#doing:has-text('playing')")
    gallery.control(volume_db=-3.0)
    start = len(gallery.ear.sound())
    os.kill(gallery.child_pid("monitor"), signal.SIGKILL)
    opened.page.wait_for_selector("#link:has-text('reconnecting')")
    until(lambda: gallery.healthz() is not None, 20 * PATIENCE, "the monitor is back")
    opened.page.wait_for_selector("#link:empty", state="attached", timeout=30_000)
    opened.page.wait_for_selector("#volume-value:has-text('-3 dB')")
    during = gallery.ear.sound()[start:]
    tenths = np.square(during[: len(during) // 4800 * 4800]).reshape(-1, 4800).mean(axis=1)
    assert tenths.min() > 1e-8


def test_a_stopped_voice_is_shown_and_reconnected(visit: Any, gallery: Gallery) -> None:
    page = visit("/staff").page
    page.wait_for_selector("#doing:has-text('playing')")
    os.kill(gallery.process.pid, signal.SIGSTOP)
    try:
        page.wait_for_selector("#doing:has-text('the voice is not running')", timeout=30_000)
        assert gallery.request("GET", "/healthz")[0] == 503
    finally:
        os.kill(gallery.process.pid, signal.SIGCONT)
    page.wait_for_selector("#doing:has-text('playing')", timeout=30_000)
