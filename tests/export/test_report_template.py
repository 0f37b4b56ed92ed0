"""The templates of the reports: one look, no scripts, and all text escaped."""

from __future__ import annotations

from pathlib import Path

import jinja2
import pytest

import latent_resonance_export.report
from latent_resonance_export.report import html
from latent_resonance_export.report.template import fill

TEMPLATES = Path(latent_resonance_export.report.__file__).parent / "templates"
PAGES = [path for path in TEMPLATES.glob("*.html") if path.name not in ("base.html", "macros.html")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_has_the_one_stylesheet_and_no_script(path: Path) -> None:
    source = path.read_text()
    assert source.startswith('{% extends "base.html" %}')
    assert "<style" not in source
    assert "<script" not in source
    assert "safe" not in source  # nothing is exempt from escaping


def test_a_page_of_parts_escapes_its_title_and_keeps_its_parts() -> None:
    page = html.page("<b>", [html.section("a & b", html.paragraph("1 < 2"))])
    assert "<title>&lt;b&gt;</title>" in page
    assert "<h2>a &amp; b</h2>" in page
    assert "<p>1 &lt; 2</p>" in page
    assert "default-src 'none'" in page


def test_a_missing_value_is_an_error_and_not_an_empty_page() -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        fill("parts.html", parts=[])
