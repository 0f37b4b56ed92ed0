"""The report of a regressor: which face makes which sound, as one HTML file with its plots."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.audition.report import STYLE, css_class
from latent_resonance_export.regressor.evaluation import (
    SOUNDS,
    Evaluation,
    ExampleResult,
    FaceSound,
)
from latent_resonance_export.regressor.model import MAX_SLOPE
from latent_resonance_export.report.canvas import (
    DIM,
    GENERATED,
    Canvas,
    label_hertz,
    label_seconds,
)

COLUMNS, SIDE, GAP, HEAD, LEFT, FOOT = 4, 260, 12, 40, 74, 40  # pixels of the plot
POSITIVE, NEGATIVE = (240, 163, 94), (127, 183, 201)  # colours of a correlation of 1 and of -1
CELLS = """
.matrix td { text-align: right; padding: 0.35rem 0.9rem; border-bottom: 2px solid #0d0c11;
  font-size: 0.95rem; min-width: 6rem; }
.matrix td:first-child { text-align: left; padding-left: 0; }
.matrix th { text-align: right; padding: 0.35rem 0.9rem; }
.matrix .intended { outline: 2px solid #e6e1da; outline-offset: -2px; }
.plain td:nth-child(2) { text-align: left; white-space: normal; font-size: 1rem; }
"""
INTENDED = {("mouth_open", "centroid"), ("brow_tension", "flatness")}
MEANINGS = {
    "centroid": "centre of the power in the spectrum: dark to bright",
    "flatness": "pure to noisy",
    "loudness": "mean power",
    "pitch": "median of the frames that have one (SWIPE', Camacho & Harris 2008, on the mel bands)",
}


@dataclass(frozen=True)
class Figure:
    """A line of the table: what was measured, its target, and how; `passed` None: no target."""

    label: str
    value: str
    target: str
    passed: bool | None
    how: str


def page(name: str, about: list[str], evaluation: Evaluation, geometry: Geometry) -> str:
    """The whole page; `about` are sentences under the name."""
    found = figures(evaluation)
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{escape(name)}: faces and sounds</title>
<style>{STYLE}{CELLS}</style>
<h1>{escape(name)}</h1>
{"".join(f"<p>{escape(sentence)}</p>" for sentence in about)}
<h2>Sounds of typical faces</h2>
<p>One period of the loop for each face when it is held, low frequencies at the bottom. Left and
right are the visitor's own.</p>
<div class="wide"><img alt="Spectrograms of typical faces"
 src="data:image/png;base64,{_encoded(draw_faces(evaluation.moments, geometry))}"></div>
<h2>Which feature controls which quality</h2>
<p>Rank correlation of each feature of the face with the sound. 1: both rise together; −1: one
rises as the other falls; 0: unrelated. The two intended by training are framed.</p>
{matrix(evaluation)}
<h2>Figures</h2>
{_figures(found)}
{examples(evaluation.examples)}
<h2>How it was measured</h2>
<dl>{"".join(f"<dt>{escape(x.label)}</dt><dd>{escape(x.how)}</dd>" for x in found)}
{"".join(f"<dt>{escape(name)}</dt><dd>{escape(how)}</dd>" for name, how in MEANINGS.items())}</dl>
</html>
"""


def draw_faces(moments: list[FaceSound], geometry: Geometry) -> bytes:
    """The spectrograms of the typical faces, as a PNG."""
    rows = -(-len(moments) // COLUMNS)
    width = LEFT + COLUMNS * (SIDE + GAP)
    canvas = Canvas(width, rows * (HEAD + SIDE) + FOOT)
    for i, moment in enumerate(moments):
        row, column = divmod(i, COLUMNS)
        x, y = LEFT + column * (SIDE + GAP), row * (HEAD + SIDE) + HEAD
        canvas.text(moment.face, x, y - 14, size=11, colour=GENERATED)
        if np.isfinite(moment.pitch_hz):
            pitch = f"{moment.pitch_hz:.0f} Hz"
            canvas.text(pitch, x + SIDE, y - 14, size=8.5, colour=DIM, ha="right")
        axes = canvas.spectrogram(moment.pixels, x, y, SIDE, SIDE)
        if column == 0:
            label_hertz(axes, geometry)
        if i + COLUMNS >= len(moments):
            label_seconds(axes, geometry)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "faces.png"
        canvas.write(path)
        return path.read_bytes()


def matrix(evaluation: Evaluation) -> str:
    """The table of correlations, each cell coloured by its value."""
    heads = "".join(f"<th>{escape(name)}</th>" for name in SOUNDS)
    rows = "".join(
        f"<tr><td>{escape(feature)}</td>"
        + "".join(_cell(value, (feature, sound) in INTENDED) for sound, value in row.items())
        + "</tr>"
        for feature, row in evaluation.correlation.items()
    )
    return f'<div class="wide"><table class="matrix"><tr><th></th>{heads}</tr>{rows}</table></div>'


def figures(evaluation: Evaluation) -> list[Figure]:
    """The lines of the table."""
    return [*_of_z(evaluation), *_of_faces(evaluation)]


def _of_z(evaluation: Evaluation) -> list[Figure]:
    """How much of the latent space faces reach."""
    return [
        Figure(
            "coverage of z",
            f"{evaluation.coverage:.2f}",
            "",
            None,
            "Mean distance between the z of pairs of faces. 1: as far apart as random z.",
        ),
        Figure(
            "share of the prior's variance",
            f"{evaluation.variance:.2f}",
            "",
            None,
            "Sum of the variances of z over that of random z.",
        ),
        Figure(
            "directions",
            f"{evaluation.directions:.1f}",
            "",
            None,
            "Effective number of dimensions of z: participation ratio of its covariance. A face "
            "has 16 features, some of them correlated.",
        ),
    ]


def _of_faces(evaluation: Evaluation) -> list[Figure]:
    """How z follows the face."""
    slope = evaluation.slope
    return [
        Figure(
            "distances of faces and of sounds",
            f"{evaluation.correlation_of_distance:.2f}",
            "",
            None,
            "Rank correlation of the distance of two faces with that of their z.",
        ),
        Figure(
            "steepest slope",
            f"{slope['max']:.1f}",
            f"at most {MAX_SLOPE:g}",
            slope["max"] <= MAX_SLOPE,
            f"Norm of the Jacobian: change of z, as a share of its length, per unit of weighted "
            f"features. Median {slope['median']:.2f}, 95 % are below {slope['p95']:.2f}. A "
            "steeper slope may flash.",
        ),
        Figure(
            "neutral face to nearest anchor",
            f"{evaluation.rest_to_nearest:.3f}",
            "",
            None,
            "Distance of the neutral face's z from the nearest anchor. 1: as far as a random z.",
        ),
        Figure(
            "faces with a pitch",
            f"{100 * evaluation.pitched:.0f} %",
            "",
            None,
            "Share of the measured faces whose sound has a pitch; the others are excluded from its "
            "correlations.",
        ),
    ]


def examples(found: list[ExampleResult]) -> str:
    """The table of examples; nothing if there are none."""
    if not found:
        return ""
    heads = ("line", "face", "sound", "distance", "error of the sound")
    rows = "".join(
        f"<tr><td>{x.line}</td><td>{escape(_face(x.face))}</td><td>{escape(x.sound)}</td>"
        f"<td>{x.distance:.2f}</td>"
        f"<td>{'' if x.sound_error_db is None else f'{x.sound_error_db:.1f} dB'}</td></tr>"
        for x in found
    )
    return (
        "<h2>Examples</h2><p>Distance of the face's z from its sound's. 0: exact; 1: as far as a "
        "random z. The last column is the mean difference per pixel between the sound and the "
        "nearest one that the generator can make.</p>"
        f'<div class="wide"><table class="plain"><tr>{"".join(f"<th>{h}</th>" for h in heads)}'
        f"</tr>{rows}</table></div>"
    )


def _face(face: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in face.items()) or "neutral"


def _figures(found: list[Figure]) -> str:
    rows = "".join(
        f"<tr><td>{escape(x.label)}</td><td>{escape(x.value)}</td><td>{escape(x.target)}</td>"
        f"<td{css_class(x.passed)}>{_mark(x.passed)}</td></tr>"
        for x in found
    )
    heads = "".join(f"<th>{head}</th>" for head in ("", "", "target", ""))
    return f'<div class="wide"><table><tr>{heads}</tr>{rows}</table></div>'


def _mark(passed: bool | None) -> str:
    return "" if passed is None else ("met" if passed else "not met")


def _cell(value: float | None, intended: bool) -> str:
    frame = ' class="intended"' if intended else ""
    if value is None:
        return f"<td{frame}>–</td>"
    colour = ",".join(map(str, POSITIVE if value > 0 else NEGATIVE))
    shown = f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # never −0.00
    return f'<td{frame} style="background:rgba({colour},{0.75 * abs(value):.2f})">{shown}</td>'


def _encoded(png: bytes) -> str:
    return base64.b64encode(png).decode()
