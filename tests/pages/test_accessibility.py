"""Both pages are accessible in every language: axe-core, and what it does not measure.

axe-core checks names, roles, contrast of text, landmarks, and targets of 24 pixels (WCAG 2.2 AA).
It leaves out the contrast of borders (1.4.11), and how often a live region changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.monitor_pages import REPORT, MonitorPages
from tests.support.status_reports import energies
from tests.support.timing import until

from latent_resonance.monitor.translations import LANGUAGES

pytestmark = pytest.mark.realtime
OPTIONS = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "rules": {"target-size": {"enabled": True}},
    "resultTypes": ["violations"],
}
PHONE = {"width": 390, "height": 844}
WIDER_THAN_THE_PAGE = """[...document.querySelectorAll("body *")]
  .filter((each) => each.getBoundingClientRect().right > innerWidth + 0.5)
  .map((each) => each.id || each.textContent.trim())"""
CONTROLS = "button, select, input:not([type=range]):not([type=file])"
# The least contrast of each visible control's border with its own and its parents' background.
BORDER_CONTRASTS = """(selector) => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const ground = (node) => {
    const colour = channels(getComputedStyle(node).backgroundColor);
    return (colour[3] ?? 1) > 0.5 || !node.parentElement ? colour : ground(node.parentElement);
  };
  return [...document.querySelectorAll(selector)].filter((each) => each.checkVisibility())
    .map((each) => {
      const style = getComputedStyle(each);
      const border = luminance(channels(style.borderTopColor));
      const outside = luminance(ground(each.parentElement));
      const width = parseFloat(style.borderTopWidth);
      return [each.id || each.textContent, width > 0 ? contrast(border, outside) : 0];
    });
}"""


def violations(page: Any) -> list[str]:
    """What axe-core finds on a page."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options=OPTIONS).response["violations"]
    return [f"{each['id']}: {node['html'][:90]}" for each in found for node in each["nodes"]]


@pytest.fixture(scope="module")
def staff(pages: MonitorPages) -> Iterator[Any]:
    """The staff page with an example, a computed map and a place."""
    with pages.unlocked(viewport=PHONE, locale="en-GB") as page:
        for selector in ("#hold", "[data-walk=random]", "#keep", "#open-map", "#keep-place"):
            with page.expect_response("**/teach", timeout=20_000):
                page.click(selector)
        page.wait_for_selector("#places li")
        page.wait_for_selector("#map:not([hidden])")
        yield page


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_on_the_locked_staff_page_and_the_wall(
    pages: MonitorPages, language: str
) -> None:
    for path in ("/staff", "/"):
        with pages.opened(path, locale=language) as page:
            page.mouse.move(50, 50)  # shows the wall's tools
            page.wait_for_timeout(600)
            assert violations(page) == []


def test_axe_finds_nothing_on_the_staff_page_in_use(staff: Any) -> None:
    assert violations(staff) == []


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_axe_finds_nothing_in_the_other_languages(pages: MonitorPages, language: str) -> None:
    with pages.unlocked(viewport=PHONE, locale=language) as page:
        assert violations(page) == []
        assert page.evaluate(WIDER_THAN_THE_PAGE) == []


def test_the_borders_of_controls_have_a_contrast_of_three(staff: Any, pages: MonitorPages) -> None:
    with pages.opened("/", locale="en") as wall:
        wall.mouse.move(50, 50)
        contrasts = wall.evaluate(BORDER_CONTRASTS, CONTROLS)
    contrasts += staff.evaluate(BORDER_CONTRASTS, CONTROLS)
    assert len(contrasts) > 20
    assert [each for each in contrasts if each[1] < 3.0] == []


def test_a_report_without_a_change_changes_no_live_region(staff: Any, pages: MonitorPages) -> None:
    pages.publish(REPORT)
    staff.wait_for_selector("#doing:has-text('playing for a visitor')")
    staff.evaluate(
        """() => {
          window.changes = [];
          const observer = new MutationObserver((all) => window.changes.push(...all));
          for (const each of document.querySelectorAll("[role=status], [role=alert], output")) {
            observer.observe(each, { childList: true, characterData: true, subtree: true });
          }
        }"""
    )
    for latency_s in (0.06, 0.07, 0.08, 0.09):
        pages.publish(REPORT)
        pages.publish(energies(latency_s))
        staff.wait_for_timeout(150)  # energies are sent ten times a second
    assert staff.evaluate("window.changes.length") == 0
    pages.publish(REPORT.__class__(**{**REPORT.__dict__, "doing": "greeting"}))
    until(lambda: staff.evaluate("window.changes.length") == 1, 5, "an announcement")
    pages.publish(REPORT)


def test_on_a_phone_every_control_comes_before_the_meters(staff: Any) -> None:
    lowest = staff.evaluate(
        """Math.max(...[...document.querySelectorAll('fieldset button, fieldset input')]
          .filter((each) => each.checkVisibility())
          .map((each) => each.getBoundingClientRect().bottom))"""
    )
    assert lowest <= staff.locator("#energies").bounding_box()["y"]


@pytest.mark.parametrize("path", ["/staff", "/"])
def test_text_and_controls_grow_with_a_4k_display(pages: MonitorPages, path: str) -> None:
    def size_px(width: int, height: int) -> float:
        with pages.opened(path, viewport={"width": width, "height": height}) as page:
            page.mouse.move(50, 50)
            size = "parseFloat(getComputedStyle(document.querySelector('button:enabled')).fontSize)"
            return float(page.evaluate(size))

    assert size_px(3840, 2160) > 1.4 * size_px(1440, 900)


def test_the_walls_tools_and_labels_stay_for_a_keyboard_and_leave_after_a_click(
    pages: MonitorPages,
) -> None:
    opacities = """['tools', 'scale']
      .map((id) => getComputedStyle(document.getElementById(id)).opacity)"""
    with pages.opened("/") as page:
        page.keyboard.press("Tab")
        page.wait_for_selector("body:not(.active)", state="attached", timeout=10_000)
        page.wait_for_timeout(500)  # longer than the transition
        assert page.evaluate(opacities) == ["1", "1"]
        page.click("#palettes button")
        page.wait_for_selector("body:not(.active)", state="attached", timeout=10_000)
        until(lambda: page.evaluate(opacities) == ["0", "0"], 20, "tools and labels to leave")
