"""Names, messages and documents use the terms of the field."""

from __future__ import annotations

import pytest
from tests.support.words import findings, words_of


def test_no_metaphor_stands_where_the_field_has_a_term() -> None:
    found = [f"{path}:{line}: {word}: {text}" for path, line, word, text in findings()]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "text",
    ["self.dreamer = None", "class TargetWanted:", "what is owed", "a-wish-list", "heardSpectrum"],
)
def test_a_forbidden_word_is_found_in_names_and_in_prose(text: str) -> None:
    assert list(words_of(text))


@pytest.mark.parametrize(
    "text",
    ["the attendant", "extended", "WantedBy=multi-user.target", "somebody()  # words: a quotation"],
)
def test_longer_words_and_reasoned_exceptions_pass(text: str) -> None:
    assert not list(words_of(text))
