"""The pages' labels: complete in every language, and chosen by what the browser asks for."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_resonance.face_state import FEATURES
from latent_resonance.gallery.opening_hours import OpeningState
from latent_resonance.gallery.visit import VisitState
from latent_resonance.monitor.health import STATES
from latent_resonance.monitor.http import PAGE
from latent_resonance.monitor.metrics import FAULTS
from latent_resonance.monitor.translations import (
    LANGUAGES,
    preferred_language,
    read_strings,
    strings_of,
    translated_page,
)

STRINGS = read_strings()
LABELS, MESSAGES = STRINGS["labels"], STRINGS["messages"]
PAGES = sorted(PAGE.glob("*.html"))
SCRIPTS = sorted(PAGE.glob("*.js"))
NAMED = {"Latent Resonance"}  # the same in every language
SHOWN_ATTRIBUTES = {"aria-label", "alt", "placeholder", "content"}


class Shown(HTMLParser):
    """The texts of a page that people read: of elements, and of attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.texts += [value or "" for name, value in attrs if name in SHOWN_ATTRIBUTES]

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def named_in(path: Path) -> set[str]:
    """Every word that a page or script may name a label by."""
    pattern = r"\$(\w+)" if path.suffix == ".html" else r'"(\w+)"'
    return set(re.findall(pattern, path.read_text())) - {"lang", "wall_palette"}


@pytest.mark.parametrize("entries", [LABELS.values(), MESSAGES], ids=["labels", "messages"])
def test_every_text_exists_in_every_language_with_the_same_values(entries: list) -> None:
    for texts in entries:
        assert tuple(texts) == LANGUAGES, texts
        assert all(text == text.strip() and text for text in texts.values()), texts
        assert len({frozenset(re.findall(r"\{\w+\}", each)) for each in texts.values()}) == 1, texts


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_no_text_of_a_page_bypasses_the_table(page: Path) -> None:
    texts = [text.strip() for text in Shown(page.read_text()).texts]
    literal = {text for text in texts if re.search(r"\w\w", text) and text[0] != "$"} - NAMED
    assert literal == set()


def test_every_key_that_is_named_has_a_label_and_every_label_is_named() -> None:
    called = {key for each in SCRIPTS for key in re.findall(r'\bt\("(\w+)"', each.read_text())}
    called |= {key for page in PAGES for key in named_in(page)}
    assert called <= set(LABELS)
    assert {f"feature_{name}" for name in FEATURES} <= set(LABELS)
    scripts = "".join(each.read_text() for each in SCRIPTS)
    prefixes = tuple(re.findall(r"\bt\(`(\w+_)\$\{", scripts))  # t(`feature_${name}`)
    in_parts = {key for key in LABELS if key.startswith(prefixes)}
    named = {key for path in [*PAGES, *SCRIPTS] for key in named_in(path)}
    assert set(LABELS) - named - in_parts == set()


def test_the_states_and_faults_that_the_voice_reports_are_translated() -> None:
    english = {each["en"] for each in MESSAGES}
    assert {state.value for state in VisitState} <= english
    assert {state.value for state in OpeningState} <= english
    assert {*STATES, *FAULTS} <= english


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("de-CH,de;q=0.9,en;q=0.8", "de"),
        ("it,fr;q=0.5,es;q=0.7", "es"),
        ("FR-ca", "fr"),
        ("ja, zh-Hant", "en"),
        ("de;q=0, en", "en"),
        ("de;q=0", "en"),
        ("*", "en"),
        ("de;q=9, es;q=0.1", "es"),
        (",;q=,\x00de", "en"),
    ],
)
def test_the_language_is_the_one_that_the_browser_weighs_most(accepted: str, language: str) -> None:
    assert preferred_language(accepted) == language


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["de", "en-", ",", ";q=", ";", "1.0", "0", "é", " ", "*", "q"])))
def test_any_accept_language_gives_a_language(parts: list[str]) -> None:
    assert preferred_language("".join(parts)) in LANGUAGES


def test_a_label_cannot_inject_markup() -> None:
    strings = {"labels": {"a": {"de": '<b onclick="x">'}}}
    page = translated_page('<p title="$a" lang="$lang">', strings, "de")
    assert page == '<p title="&lt;b onclick=&quot;x&quot;&gt;" lang="de">'


def test_a_page_in_each_language_has_its_labels_and_no_key_left() -> None:
    for language in LANGUAGES:
        for page in PAGES:
            html = translated_page(page.read_text(), STRINGS, language)
            assert f'<html lang="{language}">' in html
            assert "$" not in html
        own = strings_of(STRINGS, language)
        assert own["labels"].keys() == LABELS.keys()
        assert own["messages"][0] == [MESSAGES[0]["en"], MESSAGES[0][language]]
