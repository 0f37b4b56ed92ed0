"""A dark HTML page in one file: no scripts, no external resources, all text escaped. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import cast

from markupsafe import Markup

from latent_resonance_export.report.template import fill


def page(title: str, parts: Iterable[str]) -> str:
    """A complete HTML page; the parts are HTML."""
    return fill("parts.html", title=title, parts=[Markup(part) for part in parts])  # noqa: S704  built and escaped by the functions below


def section(heading: str, *parts: str) -> str:
    """A heading and its content, which is HTML."""
    return f"<section>\n<h2>{escape(heading)}</h2>\n" + "\n".join(parts) + "\n</section>"


def paragraph(text: str, *, warning: bool = False) -> str:
    """A paragraph of plain text."""
    return f'<p class="warning">{escape(text)}</p>' if warning else f"<p>{escape(text)}</p>"


def key_figures(values: Sequence[tuple[str, str]]) -> str:
    """Large numbers with captions: (number, caption) each."""
    items = "".join(f"<li><b>{escape(n)}</b>{escape(caption)}</li>" for n, caption in values)
    return f'<ul class="figures">{items}</ul>'


def table(heads: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of str, int, float (right-aligned) and Sequence[str] (one small line per item)."""
    head = "".join(f"<th>{escape(head)}</th>" for head in heads)
    body = "\n".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f'<div class="wide"><table>\n<tr>{head}</tr>\n{body}\n</table></div>'


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f'<td class="number">{value:,}</td>'
    if isinstance(value, float):
        return f'<td class="number">{value:,.1f}</td>'
    if isinstance(value, str):
        return f"<td>{escape(value)}</td>"
    lines = "".join(f"<small>{escape(line)}</small>" for line in cast("Sequence[str]", value))
    return f"<td>{lines}</td>"
