"""The pages in Chromium, in the language of its user: no visible text bypasses the table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tests.support.monitor_pages import REPORT, MonitorPages, monitor_pages

from latent_resonance.monitor import http
from latent_resonance.monitor.translations import LANGUAGES, read_strings

pytestmark = pytest.mark.realtime
MARKED = re.compile(r"⟦[^⟦⟧]*⟧")
UNITS = {"LUFS", "Hz", "kHz", "ms", "dB", "°C", "Latent Resonance"}
DATA = {*REPORT.packs, *(text for _, text in REPORT.news), REPORT.speaker, REPORT.quality}
VISIBLE_TEXTS = """() => [
  ...[...document.querySelectorAll("[aria-label], [placeholder], [alt]")].map((each) =>
    each.getAttribute("aria-label") ?? each.getAttribute("placeholder") ?? each.alt),
  ...[...document.querySelectorAll("body *")].flatMap((each) => [...each.childNodes])
    .filter((node) => node.nodeType === Node.TEXT_NODE).map((node) => node.data.trim()),
  document.title,
].filter((text) => text)"""


def marked(table: dict[str, Any]) -> dict[str, Any]:
    """The table with every English label and translation between brackets."""
    labels = {key: each | {"en": f"⟦{each['en']}⟧"} for key, each in table["labels"].items()}
    return {"labels": labels, "messages": table["messages"]}


def unmarked(texts: list[str]) -> set[str]:
    """Words that do not come from the table, are not data and not units."""
    left = {MARKED.sub("", text).strip(" ,") for text in texts}
    messages = {each["en"] for each in read_strings()["messages"]}
    left -= DATA | UNITS | messages
    return {text for text in left if any(len(w) > 2 and w not in UNITS for w in words(text))}


def words(text: str) -> list[str]:
    return re.findall(r"[^\W\d_]+", text)


def test_no_visible_text_bypasses_the_table(
    chromium: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "read_strings", lambda: marked(read_strings()))
    with monitor_pages(tmp_path, chromium) as running:
        with running.unlocked(locale="en-GB") as page:
            texts = page.evaluate(VISIBLE_TEXTS)
        with running.opened("/", locale="en-GB") as page:
            texts += page.evaluate(VISIBLE_TEXTS)
    assert len(texts) > 80
    assert unmarked(texts) - {"playing for a visitor, muted", "closed until Tuesday 10:00"} == set()


@pytest.mark.parametrize(
    ("locale", "mute", "doing", "door", "loudness"),
    [
        ("en-GB", "mute", "playing for a visitor, muted", "closed until Tuesday 10:00", "-19.5"),
        (
            "de-CH",
            "stumm",
            "spielt für einen Besucher, stumm geschaltet",
            "geschlossen bis Dienstag 10:00",
            "-19,5",
        ),
        ("fr-FR", "muet", "joue pour un visiteur, son coupé", "fermé jusqu’à mardi 10:00", "-19,5"),
        (
            "es-ES",
            "silencio",
            "toca para un visitante, silenciado",
            "cerrado hasta el martes 10:00",
            "-19,5",
        ),
    ],
)
def test_the_staff_page_speaks_the_language_of_the_browser(
    pages: MonitorPages, locale: str, mute: str, doing: str, door: str, loudness: str
) -> None:
    with pages.unlocked(locale=locale) as page:
        assert page.locator("html").get_attribute("lang") == locale[:2]
        assert page.locator("[data-switch=muted]").text_content() == mute
        pages.publish(REPORT)  # a report of more than a second ago no longer counts
        page.wait_for_selector(f"#doing:text-is('{doing}')")
        state = page.locator("#state").text_content()
        assert door in state
        assert loudness in state
        assert page.locator("label[for=meter-mouth_open]").is_visible()


def test_an_error_is_shown_in_the_language_of_the_page(pages: MonitorPages) -> None:
    with pages.opened("/staff", locale="fr-FR") as page:
        page.fill("#token", "not the token")
        page.click("#key button")
        page.wait_for_selector("#answer:has-text('le jeton est faux')")


def test_the_wall_has_the_language_of_the_settings_whatever_the_browser_asks(
    chromium: Any, tmp_path: Path
) -> None:
    with monitor_pages(tmp_path, chromium, language="es") as running:
        with running.opened("/", locale="de-DE") as page:
            assert page.locator("#full").text_content() == "pantalla completa"
        with running.opened("/staff", locale="de-DE") as page:
            assert page.locator("h1").is_visible()
            assert page.locator("html").get_attribute("lang") == "de"


def test_every_language_is_served_with_its_name_and_may_not_be_cached_for_another(
    pages: MonitorPages,
) -> None:
    for language in LANGUAGES:
        head = f"GET /staff HTTP/1.0\r\nHost: localhost\r\nAccept-Language: {language}\r\n\r\n"
        answer = pages.server.exchange(head.encode()).decode()
        assert f"Content-Language: {language}" in answer
        assert "Vary: Accept-Language" in answer
