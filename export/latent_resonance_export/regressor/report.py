"""The page of a regressor: which face makes which sound, in pictures and figures, in one file."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.audition.report import STYLE
from latent_resonance_export.regressor.evaluation import SOUNDS, Measured, Moment, Reached
from latent_resonance_export.report.canvas import (
    DIM,
    GENERATED,
    Canvas,
    label_hertz,
    label_seconds,
)

COLUMNS, SIDE, GAP, HEAD, LEFT, FOOT = 4, 260, 12, 40, 74, 40  # pixels of the picture
RISES, FALLS = (240, 163, 94), (127, 183, 201)  # colours of a correlation of 1 and of -1
CELLS = """
.matrix td { text-align: right; padding: 0.35rem 0.9rem; border-bottom: 2px solid #0d0c11;
  font-size: 0.95rem; min-width: 6rem; }
.matrix td:first-child { text-align: left; padding-left: 0; }
.matrix th { text-align: right; padding: 0.35rem 0.9rem; }
.matrix .wished { outline: 2px solid #e6e1da; outline-offset: -2px; }
.plain td:nth-child(2) { text-align: left; white-space: normal; font-size: 1rem; }
"""
WISHED = {("mouth_open", "centroid"), ("brow_tension", "flatness")}
MEANINGS = {
    "centroid": "how high in the spectrum the power lies: dark to bright",
    "flatness": "pure to noisy",
    "loudness": "mean power",
    "pitch": "median of the frames that have one (SWIPE', Camacho & Harris 2008, on the mel bands)",
}


@dataclass(frozen=True)
class Figure:
    """A line of the table: what was measured, what is owed, how it is meant."""

    label: str
    value: str
    owed: str
    kept: bool | None
    how: str


def page(name: str, about: list[str], measured: Measured, geometry: Geometry) -> str:
    """The whole page; `about` are sentences under the name."""
    found = figures(measured)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(name)}: faces and sounds</title>
<style>{STYLE}{CELLS}</style>
<h1>{escape(name)}</h1>
{"".join(f"<p>{escape(sentence)}</p>" for sentence in about)}
<h2>What a face makes</h2>
<p>One turn of the loop for each face when it is held, low frequencies below. Left and right are
the visitor's own.</p>
<div class="wide"><img alt="Spectrograms of typical faces"
 src="data:image/png;base64,{_encoded(draw_faces(measured.moments, geometry))}"></div>
<h2>What leads what</h2>
<p>Rank correlation of each feature of the face with the sound. 1: the more, the more; −1: the
more, the less; 0: the one says nothing of the other. The two that were wished for are framed.</p>
{matrix(measured)}
<h2>Figures</h2>
{_figures(found)}
{examples(measured.examples)}
<h2>How it was measured</h2>
<dl>{"".join(f"<dt>{escape(x.label)}</dt><dd>{escape(x.how)}</dd>" for x in found)}
{"".join(f"<dt>{escape(name)}</dt><dd>{escape(how)}</dd>" for name, how in MEANINGS.items())}</dl>
</html>
"""


def draw_faces(moments: list[Moment], geometry: Geometry) -> bytes:
    """The spectrograms of the typical faces, as a PNG."""
    rows = -(-len(moments) // COLUMNS)
    width = LEFT + COLUMNS * (SIDE + GAP)
    canvas = Canvas(width, rows * (HEAD + SIDE) + FOOT)
    for i, moment in enumerate(moments):
        row, column = divmod(i, COLUMNS)
        x, y = LEFT + column * (SIDE + GAP), row * (HEAD + SIDE) + HEAD
        canvas.words(moment.face, x, y - 14, size=11, colour=GENERATED)
        if np.isfinite(moment.pitch_hz):
            words = f"{moment.pitch_hz:.0f} Hz"
            canvas.words(words, x + SIDE, y - 14, size=8.5, colour=DIM, ha="right")
        axes = canvas.picture(moment.pixels, x, y, SIDE, SIDE)
        if column == 0:
            label_hertz(axes, geometry)
        if i + COLUMNS >= len(moments):
            label_seconds(axes, geometry)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "faces.png"
        canvas.write(path)
        return path.read_bytes()


def matrix(measured: Measured) -> str:
    """The table of correlations, each cell coloured by its value."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in SOUNDS)
    rows = "".join(
        f"<tr><td>{escape(feature)}</td>"
        + "".join(_cell(value, (feature, sound) in WISHED) for sound, value in row.items())
        + "</tr>"
        for feature, row in measured.correlation.items()
    )
    return f'<div class="wide"><table class="matrix"><tr><th></th>{heads}</tr>{rows}</table></div>'


def figures(measured: Measured) -> list[Figure]:
    """What the table shows."""
    return [*_of_z(measured), *_of_faces(measured)]


def _of_z(measured: Measured) -> list[Figure]:
    """How much of the latent space faces reach."""
    return [
        Figure(
            "coverage of z",
            f"{measured.coverage:.2f}",
            "",
            None,
            "Mean distance of the z that faces make, in pairs. 1: as far apart as random z.",
        ),
        Figure(
            "share of the prior's variance",
            f"{measured.variance:.2f}",
            "",
            None,
            "Sum of the variances of z over that of random z.",
        ),
        Figure(
            "directions",
            f"{measured.directions:.1f}",
            "",
            None,
            "In how many directions z moves: participation ratio of its covariance. A face has "
            "16 features, some of which follow others.",
        ),
    ]


def _of_faces(measured: Measured) -> list[Figure]:
    """How what is reached follows the face."""
    slope = measured.slope
    return [
        Figure(
            "faces apart, sounds apart",
            f"{measured.correlation_of_distance:.2f}",
            "",
            None,
            "Rank correlation of the distance of two faces with that of their z.",
        ),
        Figure(
            "steepest slope",
            f"{slope['max']:.1f}",
            f"at most {slope['owed']:g}",
            slope["max"] <= slope["owed"],
            f"Norm of the Jacobian: by how much of its length z changes for one unit of weighted "
            f"features. Median {slope['median']:.2f}, 95 % are below {slope['p95']:.2f}. What is "
            "steeper than owed may flash.",
        ),
        Figure(
            "the still face from a pure anchor",
            f"{measured.rest_to_nearest:.3f}",
            "",
            None,
            "Distance of the neutral face's z from the nearest anchor. 1: as far as a random z.",
        ),
        Figure(
            "faces with a pitch",
            f"{100 * measured.pitched:.0f} %",
            "",
            None,
            "Share of the measured faces whose sound has a pitch; the others are left out of its "
            "correlations.",
        ),
    ]


def examples(found: list[Reached]) -> str:
    """The table of examples; nothing if there are none."""
    if not found:
        return ""
    heads = ("line", "face", "sound", "distance", "sound found to")
    rows = "".join(
        f"<tr><td>{x.line}</td><td>{escape(_face(x.face))}</td><td>{escape(x.sound)}</td>"
        f"<td>{x.distance:.2f}</td>"
        f"<td>{'' if x.sound_error_db is None else f'{x.sound_error_db:.1f} dB'}</td></tr>"
        for x in found
    )
    return (
        "<h2>Examples</h2><p>Distance of the face's z from its sound's. 0: there; 1: as far as a "
        "random z. The last column is the mean difference, in each pixel, between the sound and "
        "the nearest that the generator can make.</p>"
        f'<div class="wide"><table class="plain"><tr>{"".join(f"<th>{h}</th>" for h in heads)}'
        f"</tr>{rows}</table></div>"
    )


def _face(face: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in face.items()) or "neutral"


def _figures(found: list[Figure]) -> str:
    rows = "".join(
        f"<tr><td>{escape(x.label)}</td><td>{escape(x.value)}</td><td>{escape(x.owed)}</td>"
        f"<td{_class(x.kept)}>{_mark(x.kept)}</td></tr>"
        for x in found
    )
    heads = "".join(f"<th>{head}</th>" for head in ("", "", "owed", ""))
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'


def _class(kept: bool | None) -> str:
    return "" if kept is None else f' class="{"kept" if kept else "missed"}"'


def _mark(kept: bool | None) -> str:
    return "" if kept is None else ("kept" if kept else "not kept")


def _cell(value: float | None, wished: bool) -> str:
    frame = ' class="wished"' if wished else ""
    if value is None:
        return f"<td{frame}>–</td>"
    colour = ",".join(map(str, RISES if value > 0 else FALLS))
    shown = f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # never −0.00
    return f'<td{frame} style="background:rgba({colour},{0.75 * abs(value):.2f})">{shown}</td>'


def _encoded(png: bytes) -> str:
    return base64.b64encode(png).decode()
