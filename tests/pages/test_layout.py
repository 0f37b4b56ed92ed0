"""What a report makes longer never moves a control under the finger that is about to press it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.monitor_pages import REPORT, MonitorPages
from tests.support.monitor_server import TOKEN
from tests.support.status_reports import energies

pytestmark = pytest.mark.realtime
LONGER = replace(
    REPORT,
    news=tuple((float(n), "a message of some length, " * 4) for n in range(8)),
    faults={f"fault {n}": n for n in range(6)},
    speaker="a device with a long name, " * 3,
    refused="gallery.yaml: a reason of some length, " * 3,
)
PLACES = """[...document.querySelectorAll("fieldset[data-locked] :is(button, input, select)")]
  .filter((each) => each.checkVisibility())
  .map((each) => [each.id || each.textContent, ...["x", "y", "width", "height"]
    .map((key) => Math.round(each.getBoundingClientRect()[key] + (key === "y" ? scrollY : 0)))])"""
SIZES = {"phone": (390, 844), "tablet": (834, 1112), "laptop": (1440, 900), "4k": (3840, 2160)}


@pytest.mark.parametrize("size", SIZES)
def test_reports_move_no_control(pages: MonitorPages, size: str) -> None:
    width, height = SIZES[size]
    viewport = {"width": width, "height": height}
    with pages.opened("/staff", locale="en-GB", viewport=viewport) as page:
        page.fill("#token", TOKEN)
        page.click("#key button")
        page.wait_for_selector("#controls:enabled")
        pages.publish(energies(0.06))
        page.wait_for_selector("#value-present:not(:empty)")
        before = page.evaluate(PLACES)
        assert len(before) > 20
        for report in (REPORT, LONGER):
            pages.publish(report)
            page.wait_for_selector(f"#log li:nth-child({len(report.news)}):last-child")
            after = page.evaluate(PLACES)
            assert [each for each in before if each not in after] == []


def test_a_press_during_which_a_report_arrives_is_not_lost(pages: MonitorPages) -> None:
    """Chromium makes no click of a press that begins on one element and ends on another."""
    with pages.opened("/staff", locale="en-GB") as page:
        page.fill("#token", TOKEN)
        page.click("#key button")
        page.wait_for_selector("#controls:enabled")
        pages.publish(energies(0.06))
        page.wait_for_selector("#value-present:not(:empty)")
        box: Any = page.locator("#hold").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        pages.publish(LONGER)  # the first one: state, messages and faults appear
        page.wait_for_selector("#state dd")
        page.mouse.up()
        page.wait_for_selector("#hold[aria-pressed=true]")
        with page.expect_response("**/teach"):
            page.click("#letgo")
