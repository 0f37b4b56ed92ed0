"""The page of an audition: one HTML file with its plots; the sound files are beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from latent_resonance_export.audition.summary import Line
from latent_resonance_export.audition.truncation import Row
from latent_resonance_export.report.template import fill


@dataclass(frozen=True)
class Section:
    """A plot of the page: its heading, its file, and how to read it."""

    title: str
    plot: Path
    text: str


def page(
    name: str,
    about: list[str],
    sounds: list[tuple[str, str]],
    found: list[Line],
    sections: list[Section],
    rows: Sequence[Row] = (),
) -> str:
    """The whole page.

    about : sentences under the heading; sounds : (kind, file name beside the page)
    rows : calm to wild, if there is a regressor
    """
    title = f"{name}: audition"
    return fill(
        "audition.html",
        title=title,
        name=name,
        about=about,
        sounds=sounds,
        lines=found,
        sections=sections,
        rows=rows,
    )
