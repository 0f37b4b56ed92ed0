"""Settings that hold what cannot be seen, or numbers that are not what they look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from latent_resonance.config.yaml_file import YamlError, read_yaml


def read(folder: Path, text: str) -> object:
    path = folder / "settings.yaml"
    path.write_text(text)
    return read_yaml(path, 10_000)


@pytest.mark.parametrize(
    ("text", "where", "name"),
    [
        ("camera:\n\u00a0\u00a0source: C920\n", "line 2: column 1", "U+00A0 NO-BREAK SPACE"),
        ("camera:\n  source: C\u200b920\n", "line 2: column 12", "U+200B ZERO WIDTH SPACE"),
        ("pack: cello\u3000\n", "line 1: column 12", "U+3000 IDEOGRAPHIC SPACE"),
        ("pack: \u202ecello\n", "line 1: column 7", "U+202E RIGHT-TO-LEFT OVERRIDE"),
        ("pack: cello\u3164\n", "line 1: column 12", "U+3164 HANGUL FILLER"),
        ("pack: cello\u2800\n", "line 1: column 12", "U+2800 BRAILLE PATTERN BLANK"),
        ("pack: cello\ufe0f\n", "line 1: column 12", "U+FE0F VARIATION SELECTOR-16"),
        ("pack: cello\U000e0041\n", "line 1: column 12", "U+E0041 TAG LATIN CAPITAL LETTER A"),
    ],
)
def test_an_invisible_character_is_named_with_line_and_column(
    tmp_path: Path, text: str, where: str, name: str
) -> None:
    with pytest.raises(YamlError) as caught:
        read(tmp_path, text)
    assert where in str(caught.value)
    assert name in str(caught.value)


def test_in_quotes_and_comments_they_are_allowed(tmp_path: Path) -> None:
    assert read(tmp_path, "name: 'Galerie\u00a0Nord'  # a\u00a0comment\n") == {
        "name": "Galerie\u00a0Nord"
    }


@pytest.mark.parametrize("number", ["010", "-07", "08", "0_7", "00"])
def test_a_number_that_looks_octal_is_refused_with_the_rule(tmp_path: Path, number: str) -> None:
    with pytest.raises(YamlError, match=r"line 1: .*octal; write it without the 0"):
        read(tmp_path, f"port: {number}\n")


@pytest.mark.parametrize("text", ["0", "0.5", "'010'", "10", "2024-01-01", "0x10", "-0.5"])
def test_other_numbers_are_read_as_before(tmp_path: Path, text: str) -> None:
    read(tmp_path, f"value: {text}\n")
