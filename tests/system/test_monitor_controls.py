"""Controls of the staff page and of OSC, and their effect on the sound."""

from __future__ import annotations

import json
import time
import wave
from typing import Any

import numpy as np
import pytest
from pythonosc.udp_client import SimpleUDPClient
from tests.support.gallery_process import Gallery, level_at_db, level_db
from tests.support.timing import PATIENCE, until

from latent_resonance.audio.reference_tone import FREQUENCY_HZ, LEVEL_DB

pytestmark = [
    pytest.mark.realtime,
    pytest.mark.timeout(300),
    pytest.mark.usefixtures("reset_controls"),
]
SILENT_DB = -80.0
TWO_SPEAKERS_DB = 3.01  # by which each of two is softer than both together


def test_mute_and_its_key_take_effect_at_once(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    assert level_db(gallery.record(1.0)) > -45
    opened.page.click("text=mute")
    time.sleep(0.5)
    assert level_db(gallery.record(0.5)) < SILENT_DB
    opened.page.wait_for_selector("button[data-switch=muted][aria-pressed=true]")
    opened.page.locator("body").press("m")
    time.sleep(1.0)
    assert level_db(gallery.record(1.0)) > -45


def test_standby_is_silent_and_shown(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    opened.page.click("text=standby")
    opened.page.wait_for_selector("#doing:has-text('on standby')")
    time.sleep(7 * PATIENCE / 2)  # it fades
    assert level_db(gallery.record(0.5)) < -70
    assert gallery.healthz()["state"] == "standby"


def test_the_test_tone_and_the_volume_have_their_levels(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    gallery.control(standby=True)
    time.sleep(8)
    levels = []
    for volume in (0, -20):
        slider = opened.page.locator("#volume")
        slider.fill(str(volume))
        opened.page.wait_for_selector(f"#volume-value:has-text('{volume} dB')")
        opened.page.click("text=test tone")
        time.sleep(0.6)
        # one gap, on a machine that is busy with other tests, does not count
        parts = np.split(gallery.record(1.2), 3)
        levels.append(max(level_at_db(part, FREQUENCY_HZ) for part in parts))
        time.sleep(1.5)
    each_db = LEVEL_DB - TWO_SPEAKERS_DB
    assert levels[0] == pytest.approx(each_db, abs=1.0)
    assert levels[1] == pytest.approx(each_db - 20, abs=1.0)


def test_the_quiet_preset_is_quieter(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    loud = level_db(gallery.record(4.0))
    opened.page.click("text=quiet")
    until(lambda: gallery.log_text().count("quiet hours: softer") > 0, 10, "the quiet preset")
    time.sleep(3)
    assert level_db(gallery.record(4.0)) < loud - 5


def test_the_next_pack_is_loaded(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    opened.page.wait_for_selector("#state:has-text('alpha')")
    opened.page.click("text=next pack")
    opened.page.wait_for_selector("#state:has-text('beta')")
    assert "now pack = " in gallery.log_text()
    assert level_db(gallery.record(1.0)) > -45
    opened.page.select_option("#pack", "")
    opened.page.wait_for_selector("#state:has-text('alpha')")
    assert opened.page.input_value("#pack") == ""
    assert opened.errors == []


def test_a_pair_is_recorded_applied_and_deleted_on_the_page(visit: Any, gallery: Gallery) -> None:
    opened = visit("/staff")
    opened.unlock(gallery)
    page = opened.page
    page.wait_for_selector("#value-present:text-is('face')")
    page.click("text=hold the face")
    page.wait_for_selector("#hold[aria-pressed=true]")
    page.wait_for_selector("#state:has-text('mouth open')")  # overridden
    page.click("text=another sound")
    page.select_option("#direction", "2")
    page.locator("#amount").fill("1.5")
    page.wait_for_selector("#keep:enabled")
    page.click("#keep")
    page.wait_for_selector("#examples li")
    page.click("text=let go")
    page.wait_for_selector("#hold[aria-pressed=false]")
    (kept,) = (gallery.folder / "state" / "latent-resonance" / "taught").iterdir()
    assert kept.name == "alpha-8.yaml"
    page.click("text=apply saved pairs")
    page.wait_for_selector("[data-switch=correcting][aria-pressed=false]")
    page.click("text=apply saved pairs")
    page.wait_for_selector("[data-switch=correcting][aria-pressed=true]")
    page.click("#examples button:text-is('forget')")
    page.wait_for_selector("#examples:not(:has(li))", state="attached")
    assert opened.errors == []


def test_a_place_on_the_map_is_held_by_the_voice_until_it_is_let_go(gallery: Gallery) -> None:
    def teach(**step: object) -> dict[str, Any]:
        authorization = f"Bearer {gallery.token}"
        status, body, _ = gallery.request("POST", "/teach", step, Authorization=authorization)
        assert status == 200, body
        return json.loads(body)

    teach(do="open map")
    teach(do="map", x=0.6, y=-0.3)
    until(lambda: gallery.metric("latent_resonance_held") == 1, 10 * PATIENCE, "a held z")
    state = teach(do="keep place", name="door")
    assert state["map"]["present"] == pytest.approx([0.6, -0.3], abs=1e-3)
    assert [each["name"] for each in state["map"]["places"]] == ["door"]
    teach(do="undo")
    teach(do="let go")
    until(lambda: gallery.metric("latent_resonance_held") == 0, 10 * PATIENCE, "no held z")


def test_a_controller_plays_by_osc(gallery: Gallery) -> None:
    address = ("127.0.0.1", gallery.osc)
    controller = SimpleUDPClient(*address)
    for _ in range(10):
        controller.send_message("/latent/override/brow_tension", 0.9)
        controller.send_message("/latent/muted", 1)
        time.sleep(0.1)
    assert level_db(gallery.record(0.3)) < SILENT_DB
    controller.send_message("/latent/muted", 0)
    time.sleep(0.8)
    assert level_db(gallery.record(0.5)) > -45


def test_a_take_holds_what_the_loudspeaker_plays(gallery: Gallery) -> None:
    folder = gallery.folder / "state" / "latent-resonance" / "takes"

    def takes(step: str) -> None:
        authorization = f"Bearer {gallery.token}"
        status, body, _ = gallery.request(
            "POST", "/takes", {"do": step}, Authorization=authorization
        )
        assert status == 200, body

    takes("start")
    played = gallery.record(3.0)
    takes("stop")
    until(lambda: bool(list(folder.glob("take-*.wav"))), 10 * PATIENCE, "a complete take")
    with wave.open(str(next(folder.iterdir()))) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, 48_000)
        assert file.getnframes() > 2 * 48_000
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32_768
    assert level_db(samples.astype(np.float32)) == pytest.approx(level_db(played), abs=4.0)
