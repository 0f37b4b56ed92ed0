"""A dark HTML page in one file: no scripts, no external resources, all text escaped. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import cast

STYLE = """
:root { color-scheme: dark; --ground: #101014; --raised: #1a1a21; --line: #2e2e38;
  --text: #e8e6e3; --quiet: #a09ca6; --kept: #f2a65a; --rejected: #6d6a78; --limit: #ff5d73; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 3rem 1.5rem 5rem; background: var(--ground);
  color: var(--text); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 2rem; font-weight: 600; margin: 0 0 .3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; font-weight: 600; margin: 3rem 0 .8rem; }
p { max-width: 46rem; color: var(--quiet); margin: .3rem 0 1rem; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .8rem;
  margin: 1.8rem 0; padding: 0; list-style: none; }
.figures li { background: var(--raised); border-radius: .5rem; padding: .9rem 1rem;
  color: var(--quiet); }
.figures b { display: block; font-size: 1.5rem; white-space: nowrap; font-weight: 600;
  color: var(--text); }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(9.5rem, 1fr)); gap: .7rem; }
figure { margin: 0; }
audio { width: 100%; height: 2rem; }
.sheet img { width: 100%; aspect-ratio: 1; display: block; border-radius: .3rem; }
figcaption { font-size: .75rem; color: var(--quiet); overflow-wrap: anywhere; line-height: 1.3;
  padding-top: .25rem; }
.held figcaption::before { content: "held out "; color: var(--kept); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 1.5rem; }
svg { width: 100%; height: auto; background: var(--raised); border-radius: .5rem; }
svg text { fill: var(--quiet); font: 11px system-ui, sans-serif; }
.kept { fill: var(--kept); } .rejected { fill: var(--rejected); }
.limit { stroke: var(--limit); stroke-width: 1.5; stroke-dasharray: 4 3; }
svg text.mark { fill: var(--limit); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .8rem .45rem 0;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { color: var(--quiet); font-weight: 500; white-space: nowrap; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td small { display: block; color: var(--quiet); }
.warning { border-left: 3px solid var(--limit); padding-left: .8rem; color: var(--text); }
summary { cursor: pointer; color: var(--quiet); }
@media print { :root { color-scheme: light; --ground: #fff; --raised: #f4f4f4; --text: #111;
  --quiet: #555; --line: #ccc; } }
"""
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


def page(title: str, parts: Iterable[str]) -> str:
    """A complete HTML page; the parts are HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


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
