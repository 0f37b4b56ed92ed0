"""The monitor's pages, in a real browser, before the whole instrument: seen, heard, and refused."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import numpy as np
import pytest
from tests.support.gallery_process import Gallery
from tests.support.pulse_server import PATIENCE, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("all_as_it_was"),
]
SIZES = {"phone": (360, 740), "wall": (2560, 1440)}


def light(picture: np.ndarray) -> np.ndarray:
    """Brightness of each column of the newest tenth."""
    return picture[:, -picture.shape[1] // 10 :].mean(axis=(0, 2))


def test_the_picture_moves_with_the_sound_and_is_dark_in_silence(
    visit: Any, gallery: Gallery
) -> None:
    page = visit("/")
    time.sleep(4)
    before = page.picture()
    time.sleep(1)
    after = page.picture()
    assert light(after).mean() > 2.0
    assert np.abs(after - before).mean() > 1.0
    moved = int(after.shape[1] / 12)  # a second's width
    at_rest = np.abs(after[:, -400:] - before[:, -400:]).mean()
    followed = [
        np.abs(after[:, -400 - n : -n] - before[:, -400:]).mean()
        for n in range(moved // 2, 2 * moved)
    ]
    assert min(followed) < 0.5 * at_rest  # it scrolls, rather than flickers
    gallery.ask(muted=True)
    time.sleep(3.5)
    assert light(page.picture()).max() < 1.0
    assert page.wrong == []


def test_nothing_but_the_picture_is_on_the_wall_until_the_mouse_moves(visit: Any) -> None:
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


def test_a_palette_is_chosen_by_a_key_and_kept(visit: Any) -> None:
    page = visit("/").page
    page.keyboard.press("2")
    pressed = page.locator("#palettes button[aria-pressed=true]")
    assert pressed.text_content() == "moon"
    page.reload()
    assert page.locator("#palettes button[aria-pressed=true]").text_content() == "moon"


def test_who_wants_no_motion_sees_still_pictures_that_change_now_and_then(visit: Any) -> None:
    page = visit("/", reduced_motion="reduce")
    time.sleep(4)
    seen = [page.page.screenshot() for _ in range(12)]
    assert len(set(seen)) <= 1 + len(seen) / 2


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("path", ["/", "/staff"])
def test_pages_fit_a_phone_and_a_wall(visit: Any, name: str, path: str) -> None:
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
                assert button.bounding_box()["height"] >= 40  # a finger's


def test_every_control_has_a_name_and_can_be_reached_by_keyboard(
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


def test_controls_are_locked_until_the_token_is_given_and_a_wrong_one_is_refused(
    visit: Any, gallery: Gallery
) -> None:
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


def test_meters_follow_the_face(visit: Any) -> None:
    page = visit("/staff").page
    page.wait_for_selector("#said-present:has-text('a face')")
    mouth = []
    for _ in range(40):
        mouth.append(page.evaluate("document.getElementById('meter-mouth_open').value"))
        time.sleep(0.1)
    assert min(mouth) < 0.2
    assert max(mouth) > 0.3
    assert int(page.locator("#said-latency").text_content().split()[0]) < 200 * PATIENCE


def test_pages_ask_nobody_but_this_machine_and_nothing_goes_wrong(
    visit: Any, gallery: Gallery
) -> None:
    for path in ("/", "/staff"):
        opened = visit(path)
        opened.page.wait_for_timeout(2000)
        here = f"//127.0.0.1:{gallery.port}/"
        assert opened.asked
        assert all(here in url for url in opened.asked), opened.asked
        assert opened.wrong == []


def test_a_monitor_that_is_killed_comes_back_and_so_do_its_pages_and_the_sound_never_stops(
    visit: Any, gallery: Gallery
) -> None:
    opened = visit("/staff")
    opened.page.wait_for_selector("#doing:has-text('playing')")
    gallery.ask(volume_db=-3.0)
    begins = len(gallery.ear.sound())
    os.kill(gallery.child("monitor"), signal.SIGKILL)
    opened.page.wait_for_selector("#link:has-text('looking for it')")
    until(lambda: gallery.ask_health() is not None, 20 * PATIENCE, "the monitor is back")
    opened.page.wait_for_selector("#link:empty", state="attached", timeout=30_000)
    opened.page.wait_for_selector("#volume-said:has-text('-3 dB')")
    during = gallery.ear.sound()[begins:]
    tenths = np.square(during[: len(during) // 4800 * 4800]).reshape(-1, 4800).mean(axis=1)
    assert tenths.min() > 1e-8


def test_a_voice_that_is_not_there_is_said_and_found_again(visit: Any, gallery: Gallery) -> None:
    page = visit("/staff").page
    page.wait_for_selector("#doing:has-text('playing')")
    os.kill(gallery.process.pid, signal.SIGSTOP)
    try:
        page.wait_for_selector("#doing:has-text('the voice is not running')", timeout=30_000)
        assert gallery.request("GET", "/healthz")[0] == 503
    finally:
        os.kill(gallery.process.pid, signal.SIGCONT)
    page.wait_for_selector("#doing:has-text('playing')", timeout=30_000)
