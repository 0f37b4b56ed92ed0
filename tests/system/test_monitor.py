"""The monitor's pages, in a real browser, before the whole instrument: seen, heard, and refused."""

from __future__ import annotations

import io
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pythonosc.udp_client import SimpleUDPClient
from rooms import PATIENCE, until
from staffed import (
    Gallery,
    browser,
    gallery_in,
    level_at_db,
    level_db,
    skip_without_a_browser,
)

from latent_resonance.voice.check_tone import FREQUENCY_HZ, LEVEL_DB

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SILENT_DB = -80.0
SIZES = {"phone": (360, 740), "wall": (2560, 1440)}


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    skip_without_a_browser()
    with gallery_in(tmp_path_factory.mktemp("gallery")) as there:
        until(lambda: there.number("latent_resonance_visits_total") >= 1, 60, "a visitor is seen")
        yield there


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    skip_without_a_browser()
    with browser() as there:
        yield there


class Visit:
    """A page that is open, and everything that went wrong with it."""

    def __init__(self, chromium: Any, gallery: Gallery, path: str, **context: object) -> None:
        self.context = chromium.new_context(
            **({"viewport": {"width": 1280, "height": 720}} | context)
        )
        self.page = self.context.new_page()
        self.wrong: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("websocket", lambda opened: self.asked.append(opened.url))
        self.page.goto(gallery.address + path)

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.wrong.append(message.text)

    def unlock(self, gallery: Gallery) -> None:
        self.page.fill("#token", gallery.token)
        self.page.click("text=unlock")
        self.page.wait_for_selector("#controls:enabled")

    def picture(self) -> np.ndarray:
        """What is seen: (height, width, 3)."""
        return np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"), float)


@pytest.fixture
def visit(chromium: Any, gallery: Gallery) -> Iterator[Any]:
    opened: list[Visit] = []

    def go(path: str, **context: object) -> Visit:
        opened.append(Visit(chromium, gallery, path, **context))
        return opened[-1]

    yield go
    for each in opened:
        each.context.close()


@pytest.fixture(autouse=True)
def all_as_it_was(gallery: Gallery) -> Iterator[None]:
    """Every test leaves the instrument playing."""
    yield
    for wish in ({"muted": False}, {"standby": False}, {"quiet": False}, {"volume_db": 0.0}):
        gallery.ask(**wish)


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


def test_mute_and_its_key_are_heard_at_once(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    assert level_db(gallery.heard(1.0)) > -45
    opened.page.click("text=mute")
    time.sleep(0.5)
    assert level_db(gallery.heard(0.5)) < SILENT_DB
    opened.page.wait_for_selector("button[data-switch=muted][aria-pressed=true]")
    opened.page.locator("body").press("m")
    time.sleep(1.0)
    assert level_db(gallery.heard(1.0)) > -45


def test_standby_is_silence_and_says_so(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    opened.page.click("text=standby")
    opened.page.wait_for_selector("#doing:has-text('on standby')")
    time.sleep(7 * PATIENCE / 2)  # it fades
    assert level_db(gallery.heard(0.5)) < -70
    assert gallery.ask_health()["state"] == "standby"


def test_the_test_tone_and_the_volume_are_heard_as_they_say(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    gallery.ask(standby=True)
    time.sleep(8)
    levels = []
    for volume in (0, -20):
        slider = opened.page.locator("#volume")
        slider.fill(str(volume))
        opened.page.wait_for_selector(f"#volume-said:has-text('{volume} dB')")
        opened.page.click("text=test tone")
        time.sleep(0.6)
        levels.append(level_at_db(gallery.heard(0.8), FREQUENCY_HZ))
        time.sleep(1.5)
    assert levels[0] == pytest.approx(LEVEL_DB, abs=1.0)
    assert levels[1] == pytest.approx(LEVEL_DB - 20, abs=1.0)


def test_the_quiet_preset_is_softer(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    loud = level_db(gallery.heard(4.0))
    opened.page.click("text=quiet")
    until(lambda: gallery.said().count("quiet hours: softer") > 0, 10, "it says so")
    time.sleep(3)
    assert level_db(gallery.heard(4.0)) < loud - 5


def test_the_next_pack_plays(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    opened.page.wait_for_selector("#figures:has-text('alpha')")
    opened.page.click("text=next pack")
    opened.page.wait_for_selector("#figures:has-text('beta')")
    assert "now pack = " in gallery.said()
    assert level_db(gallery.heard(1.0)) > -45
    opened.page.select_option("#pack", "alpha")
    opened.page.wait_for_selector("#figures:has-text('alpha')")
    assert opened.wrong == []


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


def test_a_face_and_a_sound_are_taught_on_the_page_and_correct_the_map(
    visit: Any, gallery: Gallery
) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    page = opened.page
    page.wait_for_selector("#said-present:has-text('a face')")
    page.click("text=hold the face")
    page.wait_for_selector("#hold[aria-pressed=true]")
    page.wait_for_selector("#figures:has-text('mouth_open')")  # played from outside
    page.click("text=another sound")
    page.select_option("#direction", "2")
    page.locator("#far").fill("1.5")
    page.wait_for_selector("#keep:enabled")
    page.click("#keep")
    page.wait_for_selector("#pairs li")
    page.click("text=let go")
    page.wait_for_selector("#hold[aria-pressed=false]")
    (kept,) = (gallery.folder / "state" / "latent-resonance" / "taught").iterdir()
    assert kept.name == "alpha-8.yaml"
    page.click("text=what was taught corrects")
    page.wait_for_selector("#correct[aria-pressed=false]")
    page.click("text=what was taught corrects")
    page.wait_for_selector("#correct[aria-pressed=true]")
    page.click("text=forget")
    page.wait_for_selector("#pairs:not(:has(li))", state="attached")
    assert opened.wrong == []


def test_a_dancers_controller_plays_by_osc(gallery: Gallery) -> None:
    place = ("127.0.0.1", gallery.osc)
    controller = SimpleUDPClient(*place)
    for _ in range(10):
        controller.send_message("/latent/override/brow_tension", 0.9)
        controller.send_message("/latent/muted", 1)
        time.sleep(0.1)
    assert level_db(gallery.heard(0.3)) < SILENT_DB
    controller.send_message("/latent/muted", 0)
    time.sleep(0.8)
    assert level_db(gallery.heard(0.5)) > -45
