"""The templates of the reports: one look, no scripts, and all text escaped."""

from __future__ import annotations

import io
from pathlib import Path

import jinja2
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

import latent_resonance_export.report
from latent_resonance_export.report import template
from latent_resonance_export.report.charts import KEPT, LIMIT, REJECTED, Histogram

TEMPLATES = Path(latent_resonance_export.report.__file__).parent / "templates"
PAGES = [path for path in TEMPLATES.glob("*.html") if path.name not in ("base.html", "macros.html")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_page_has_the_one_stylesheet_and_no_script(path: Path) -> None:
    source = path.read_text()
    assert source.startswith('{% extends "base.html" %}')
    assert "<style" not in source
    assert "<script" not in source
    assert "safe" not in source  # nothing is exempt from escaping


def test_a_table_escapes_its_cells_and_aligns_its_numbers() -> None:
    macros = fill_macro("table", ["a & b"], [["<i>", 1234567, 2.25, ["1 < 2", "3"]]])
    assert "<th>a &amp; b</th>" in macros
    assert "<td>&lt;i&gt;</td>" in macros
    assert '<td class="number">1,234,567</td><td class="number">2.2</td>' in macros
    assert "<td><small>1 &lt; 2</small><small>3</small></td>" in macros


def fill_macro(name: str, *arguments: object) -> str:
    return str(getattr(template.ENVIRONMENT.get_template("macros.html").module, name)(*arguments))


def test_a_missing_value_is_an_error_and_not_an_empty_page() -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        template.fill("curation.html", name="x")


def test_a_histogram_counts_what_is_outside_its_range_in_the_outer_bars() -> None:
    chart = Histogram("Level", "dB", -80.0, 0.0, 2.0, -60.0, "--min-level")
    inside = pixels_of(chart.png([-79.0], [-1.0]))
    outside = pixels_of(chart.png([-500.0], [300.0]))
    assert (inside == outside).all()
    left, right = np.array_split(inside, 2, axis=1)
    assert contains(left, KEPT)
    assert not contains(left, REJECTED)
    assert contains(right, REJECTED)
    assert not contains(right, KEPT)


def test_a_histogram_of_nothing_is_drawn_with_its_limit() -> None:
    chart = Histogram("Level", "dB", -80.0, 0.0, 2.0, -60.0, "--min-level")
    assert contains(pixels_of(chart.png([], [])), LIMIT)
    assert chart.caption([], []) == "Level: 0 loops kept, 0 rejected; --min-level -60"


def pixels_of(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def contains(pixels: NDArray[np.uint8], colour: str) -> bool:
    """Whether at least ten pixels have a colour."""
    rgb = np.round(255 * np.array(to_rgb(colour)))
    return int((pixels == rgb).all(axis=-1).sum()) >= 10
