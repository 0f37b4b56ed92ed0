"""The report of a regressor: which face makes which sound, as one HTML file with its plots."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance_export.regressor.evaluation import (
    SOUNDS,
    Evaluation,
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
from latent_resonance_export.report.template import fill

COLUMNS, SIDE, GAP, HEAD, LEFT, FOOT = 4, 260, 12, 40, 74, 40  # pixels of the plot
POSITIVE, NEGATIVE = (240, 163, 94), (127, 183, 201)  # colours of a correlation of 1 and of -1
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

    @property
    def mark(self) -> str:
        """Whether the target is met, in words; empty without a target."""
        return "" if self.passed is None else ("met" if self.passed else "not met")


def page(name: str, about: list[str], evaluation: Evaluation, geometry: Geometry) -> str:
    """The whole page; `about` are sentences under the name."""
    return fill(
        "regressor.html",
        title=f"{name}: faces and sounds",
        name=name,
        about=about,
        faces=draw_faces(evaluation.moments, geometry),
        sounds=SOUNDS,
        correlation=evaluation.correlation,
        intended=INTENDED,
        tint=_tint,
        signed=_signed,
        lines=figures(evaluation),
        examples=evaluation.examples,
        face=_face,
        meanings=MEANINGS,
    )


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
            "distances of faces and of z",
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


def _face(face: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in face.items()) or "neutral"


def _tint(value: float) -> str:
    """The colour of a correlation's cell."""
    colour = ",".join(map(str, POSITIVE if value > 0 else NEGATIVE))
    return f"rgba({colour},{0.75 * abs(value):.2f})"


def _signed(value: float | None) -> str:
    """A correlation with two places, and a dash if there is none."""
    if value is None:
        return "–"
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # never −0.00
