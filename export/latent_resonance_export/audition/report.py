"""The page of an audition: one HTML file with its plots; the sound files are beside it."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path

from latent_resonance_export.audition.summary import Line

STYLE = """
:root { color-scheme: dark; }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 4rem 2rem 6rem; max-width: 108rem; background: #0d0c11;
  color: #e6e1da; font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-weight: 300; font-size: 3rem; letter-spacing: -0.02em; margin: 0; }
h2 { font-weight: 400; font-size: 1.25rem; margin: 4rem 0 1rem; }
p, dd { max-width: 46rem; color: #b9b3bd; margin: 0.4rem 0; }
.sounds { display: grid; grid-template-columns: repeat(auto-fit, minmax(20rem, 1fr)); gap: 2rem; }
.sounds h3 { font-weight: 400; font-size: 1rem; margin: 0 0 0.5rem; }
.real { color: #7fb7c9; } .generated { color: #f0a35e; }
audio { width: 100%; }
img { display: block; max-width: 100%; height: auto; border-radius: 4px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.5rem 1.5rem 0.5rem 0; border-bottom: 1px solid #2a2731;
  vertical-align: baseline; }
th { font-weight: 400; color: #8d8792; font-size: 0.875rem; }
td:nth-child(2) { text-align: right; white-space: nowrap; font-size: 1.1rem; }
.met { color: #9ccc8f; } .missed { color: #ff8d7a; }
dt { margin-top: 1.2rem; } dd { font-size: 0.9rem; }
"""


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
) -> str:
    """The whole page.

    about : sentences under the heading; sounds : (kind, file name beside the page)
    """
    players = "".join(_onnx_generator(kind, file) for kind, file in sounds)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(name)}: audition</title>
<style>{STYLE}</style>
<h1>{escape(name)}</h1>
{"".join(f"<p>{escape(sentence)}</p>" for sentence in about)}
<h2>Listen</h2>
<div class="sounds">{players}</div>
<h2>Figures</h2>
{_table(found)}
{"".join(_section(section) for section in sections)}
<h2>How it was measured</h2>
<dl>{"".join(f"<dt>{escape(x.label)}</dt><dd>{escape(x.how)}</dd>" for x in found if x.how)}</dl>
</html>
"""


def _onnx_generator(kind: str, file: str) -> str:
    return (
        f'<div><h3 class="{escape(kind)}">{escape(kind)}</h3>'
        f'<audio controls preload="metadata" src="{escape(file)}"></audio></div>'
    )


def _table(found: list[Line]) -> str:
    rows = "".join(
        f"<tr><td>{escape(line.label)}</td><td>{escape(line.value)}</td>"
        f"<td>{escape(line.reference)}</td><td>{escape(line.target)}</td>"
        f"<td{css_class(line.passed)}>{escape(line.mark)}</td></tr>"
        for line in found
    )
    heads = "".join(f"<th>{head}</th>" for head in ("", "", "reference", "target", ""))
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'


def css_class(passed: bool | None) -> str:
    """The class attribute of a cell; empty without a target."""
    return "" if passed is None else f' class="{"met" if passed else "missed"}"'


def _section(section: Section) -> str:
    data = base64.b64encode(section.plot.read_bytes()).decode()
    return (
        f"<h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>"
        f'<img alt="{escape(section.title)}" src="data:image/png;base64,{data}">'
    )
