"""Teaching on the staff page in Chromium: from a held face to a kept pair, and the map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.monitor_pages import REPORT, MonitorPages

pytestmark = pytest.mark.realtime


@pytest.fixture(scope="module")
def staff(pages: MonitorPages) -> Iterator[Any]:
    with pages.unlocked(locale="en-GB") as opened:
        yield opened


@pytest.fixture
def page(staff: Any) -> Iterator[Any]:
    """The staff page, without examples."""
    yield staff
    while staff.locator("#undo").is_enabled():
        step(staff, "#undo")
    step(staff, "#letgo")


def step(page: Any, selector: str) -> None:
    """Click, and wait for the monitor's answer."""
    with page.expect_response("**/teach"):
        page.click(selector)
    page.wait_for_timeout(20)


def keep(page: Any) -> None:
    for selector in ("#hold", "[data-walk=random]", "#keep"):
        step(page, selector)
    page.wait_for_selector("#examples > li")


def test_why_keep_is_grey_is_written_below_it_until_it_is_not(page: Any) -> None:
    reasons = [page.locator("#why-not-keep").text_content()]
    assert page.locator("#keep").get_attribute("aria-describedby") == "why-not-keep"
    for selector in ("#hold", "[data-walk=random]"):
        assert page.locator("#keep").is_disabled()
        step(page, selector)
        reasons.append(page.locator("#why-not-keep").text_content())
    assert reasons == ["hold a face first", "choose a sound first", ""]
    assert page.locator("#keep").is_enabled()


def test_a_pair_is_kept_named_played_forgotten_and_brought_back(
    page: Any, pages: MonitorPages
) -> None:
    keep(page)
    (pair,) = pages.last("pairs")
    with page.expect_response("**/teach"):
        page.fill("#examples input", "soft")
        page.keyboard.press("Enter")
    step(page, "#letgo")
    step(page, "#examples button:text-is('play')")
    assert np.allclose(pages.last("z"), pair.z, atol=1e-4)
    assert page.locator("#held").text_content() == "Face and sound are held."
    step(page, "#examples button:text-is('add the held face')")
    assert page.locator("#examples .faces li").count() == 2
    step(page, "#examples button:text-is('forget')")
    assert page.locator("#examples > li").count() == 0
    assert pages.last("pairs") == ()
    step(page, "#undo")
    assert page.locator("#examples input").input_value() == "soft"
    assert len(pages.last("pairs")) == 2


def test_a_report_leaves_the_focus_and_a_name_that_is_being_written(
    page: Any, pages: MonitorPages
) -> None:
    keep(page)
    page.locator("#examples input").press_sequentially("half a na")
    for _ in range(3):
        pages.publish(REPORT)
        page.wait_for_timeout(50)
    page.keyboard.type("me")
    assert page.locator("#examples input").input_value() == "half a name"


def test_the_share_of_an_example_in_the_sound_is_shown(page: Any, pages: MonitorPages) -> None:
    keep(page)
    pages.publish(replace(REPORT, correcting=True))
    page.wait_for_selector("#share-value-0:text-is('100 % of the sound now')")
    assert page.locator("#share-0").evaluate("meter => meter.value") == pytest.approx(1.0, abs=0.01)
    pages.publish(REPORT)
    page.wait_for_selector("#share-value-0:text-is('0 % of the sound now')")


def test_the_switch_for_saved_pairs_shows_what_the_voice_reports_and_not_what_was_clicked(
    page: Any, pages: MonitorPages
) -> None:
    switch = page.locator("[data-switch=correcting]")
    for _ in range(2):  # clicked twice before the voice has it
        with page.expect_request("**/ask") as request:
            switch.click()
        assert request.value.post_data_json == {"correcting": True}
        pages.publish(REPORT)
        page.wait_for_timeout(50)
        assert switch.get_attribute("aria-pressed") == "false"
    pages.publish(replace(REPORT, correcting=True))
    page.wait_for_selector("[data-switch=correcting][aria-pressed=true]")
    with page.expect_request("**/ask") as request:
        switch.click()
    assert request.value.post_data_json == {"correcting": False}
    pages.publish(REPORT)
    page.wait_for_selector("[data-switch=correcting][aria-pressed=false]")


def test_examples_are_exported_and_imported_as_a_file(page: Any, tmp_path: Path) -> None:
    keep(page)
    with page.expect_download() as download:
        page.click("#export")
    file = tmp_path / "examples.json"
    download.value.save_as(file)
    assert len(json.loads(file.read_text())["examples"]) == 1
    step(page, "#examples button:text-is('forget')")
    page.set_input_files("#file", file)
    page.wait_for_selector("#examples > li")
    file.write_text(file.read_text().replace('"cello"', '"voices"'))
    page.set_input_files("#file", file)
    page.wait_for_selector("#answer:has-text('the file belongs to the pack')")


def test_a_finger_on_the_map_holds_the_sound_there_and_the_place_is_kept(
    page: Any, pages: MonitorPages
) -> None:
    with page.expect_response("**/teach", timeout=20_000):
        page.click("#open-map")
    page.wait_for_selector("#map:not([hidden])")
    assert page.locator("#anchors circle").count() == 4
    box = page.locator("#map").bounding_box()
    with page.expect_response("**/teach"):
        page.mouse.move(box["x"] + 0.75 * box["width"], box["y"] + box["height"] / 2)
        page.mouse.down()
    first = pages.last("z")
    with page.expect_response("**/teach"):
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.25 * box["height"], steps=2)
    page.mouse.up()
    page.wait_for_timeout(300)
    assert np.abs(pages.last("z") - first).max() > 0.1
    x, y = (float(page.locator("#here").get_attribute(name)) for name in ("cx", "cy"))
    assert (x, y) == pytest.approx((0.0, -0.54), abs=0.02)
    with page.expect_response("**/teach"):
        page.keyboard.press("ArrowRight")
    page.fill("#place-name", "door")
    step(page, "#keep-place")
    assert np.allclose(pages.last("anchors"), [pages.last("z")], atol=1e-4)
    assert page.locator("#places li span").text_content() == "door"
    assert page.locator("#kept circle").count() == 1
