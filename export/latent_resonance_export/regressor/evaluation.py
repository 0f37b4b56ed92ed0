"""Evaluates a regressor through the real generator, on movement it was not trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor, nn

from latent_resonance.audio.spectrogram import Geometry
from latent_resonance.face_state import FEATURES
from latent_resonance_export.regressor.descriptors import NAMES, describe
from latent_resonance_export.regressor.example_faces import FACES, neutral_face, typical_faces
from latent_resonance_export.regressor.examples import ClipOfDataset, GivenZ, Sound
from latent_resonance_export.regressor.losses import steepest_slopes
from latent_resonance_export.regressor.model import MAX_SLOPE, Regressor
from latent_resonance_export.regressor.pitch import pitch_of_loop
from latent_resonance_export.regressor.projection import ProjectedExample
from latent_resonance_export.regressor.recorded_motion import Recorded
from latent_resonance_export.regressor.surrogate import BATCH
from latent_resonance_export.regressor.synthetic_motion import compose_movement

FloatArray = NDArray[np.float32]
SOUNDS = ("centroid", "flatness", "loudness", "pitch")
N_FACES = 300  # whose sounds are measured
HELD_OUT_S = 600.0
N_SLOPE_FACES = 3000  # whose slopes are measured


@dataclass(frozen=True)
class FaceSound:
    """The sound of one face."""

    face: str
    pixels: FloatArray  # (n_mels, n_frames)
    anchor: int  # index of the nearest
    pitch_hz: float


@dataclass(frozen=True)
class ExampleResult:
    """How well an example is reproduced. Distances: 0 = exactly, 1 = as far as a random z."""

    line: int
    face: dict[str, float]  # the features that are not neutral
    sound: str
    distance: float
    sound_error_db: float | None  # of the z found for the sound; None if z was given


@dataclass(frozen=True)
class Evaluation:
    """All figures of a report; the names are keys of regressor.json, so they stay."""

    correlation: dict[str, dict[str, float | None]]  # Spearman's, feature by sound
    correlation_of_distance: float  # of faces with z
    coverage: float  # mean distance of z, 1 = as far apart as random z
    variance: float  # of z, as a share of the prior's
    directions: float  # effective number of dimensions of z
    slope: dict[str, float]  # median, p95 and max of the Jacobian's norm, and the limit
    rest_to_anchor: float  # the neutral face from the first anchor, 1 = z's own length
    rest_to_nearest: float  # from the nearest anchor, 1 = as far as a random z
    pitched: float  # share of faces whose sound has a pitch
    recorded_s: float  # seconds of recorded movement
    examples: list[ExampleResult]
    moments: list[FaceSound]  # of the typical faces


def evaluate(
    regressor: Regressor,
    generator: nn.Module,
    anchors: Tensor,
    pairs: list[ProjectedExample],
    *,
    geometry: Geometry,
    recorded: Recorded | None,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> Evaluation:
    """Measures the sounds of some hundred faces and of the typical ones."""
    tracks = [compose_movement(HELD_OUT_S, seed + 1)]
    if recorded is not None:
        tracks.append(recorded.held_out)
    faces = evenly(tracks, N_FACES)
    with torch.no_grad():
        z = regressor(torch.from_numpy(faces))
        rest = regressor(torch.from_numpy(neutral_face())[None])[0]
    total = len(faces) + len(FACES)
    sounds = measure_sounds(generator, z, geometry, lambda n: progress("evaluating", n, total))
    weighted = torch.from_numpy(faces) * regressor.scale
    face_distances, z_distances = torch.pdist(weighted).numpy(), torch.pdist(z)
    variances = torch.linalg.eigvalsh(torch.cov(z.T).double()).clamp(min=0)
    return Evaluation(
        correlation=correlations(faces, sounds),
        correlation_of_distance=_three(rank_correlation(face_distances, z_distances)),
        coverage=_three(z_distances.mean() / (2 * z.shape[1]) ** 0.5),
        variance=_three(variances.sum() / z.shape[1]),
        directions=round(float(variances.sum() ** 2 / variances.square().sum()), 1),
        slope=slopes(regressor, evenly(tracks, N_SLOPE_FACES)),
        rest_to_anchor=round(float((rest - anchors[0]).norm() / anchors[0].norm()), 4),
        rest_to_nearest=_three((anchors - rest).norm(dim=1).min() / (2 * z.shape[1]) ** 0.5),
        pitched=_three(np.isfinite(sounds[:, SOUNDS.index("pitch")]).mean()),
        recorded_s=round(recorded.seconds, 1) if recorded else 0.0,
        examples=[example_result(pair, regressor) for pair in pairs],
        moments=typical_face_sounds(
            regressor, generator, anchors, geometry, lambda n: progress("evaluating", n, total)
        ),
    )


def evenly(tracks: list[FloatArray], n: int) -> FloatArray:
    """About n rows in all, equally many of each track, evenly spaced."""
    share = n // len(tracks)
    return np.concatenate([track[:: max(len(track) // share, 1)][:share] for track in tracks])


@torch.no_grad()
def measure_sounds(
    generator: nn.Module, z: Tensor, geometry: Geometry, progress: Callable[[int], None]
) -> NDArray[np.float64]:
    """SOUNDS of each z: (n, 4); the pitch is NaN if there is none."""
    columns = [NAMES.index(name) for name in ("centroid", "flatness", "level")]
    rows = []
    for chunk in torch.split(z, BATCH):
        spectrograms = generator(chunk).float()
        described = describe(spectrograms, geometry.range_db)[:, columns].tolist()
        pitches = [
            pitch_of_loop(spectrogram, geometry) for spectrogram in spectrograms[:, 0].numpy()
        ]
        rows += [[*three, pitch] for three, pitch in zip(described, pitches, strict=True)]
        progress(len(chunk))
    return np.array(rows)


def correlations(
    faces: FloatArray, sounds: NDArray[np.float64]
) -> dict[str, dict[str, float | None]]:
    """Spearman's rank correlation of each feature with each sound; None if one is constant."""
    table: dict[str, dict[str, float | None]] = {}
    for i, feature in enumerate(FEATURES):
        row = {name: rank_correlation(faces[:, i], sounds[:, j]) for j, name in enumerate(SOUNDS)}
        table[feature] = {k: _three(v) if np.isfinite(v) else None for k, v in row.items()}
    return table


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating] | Tensor) -> float:
    """Spearman's, over the finite values of both; NaN if one is constant."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    finite = np.isfinite(a) & np.isfinite(b)
    if finite.sum() < 8 or np.ptp(a[finite]) == 0 or np.ptp(b[finite]) == 0:
        return float("nan")
    return float(spearmanr(a[finite], b[finite])[0])


@torch.no_grad()
def slopes(regressor: Regressor, faces: FloatArray) -> dict[str, float]:
    """The slope of the map in the steepest direction, and its limit; see losses.py."""
    norms = steepest_slopes(regressor, torch.from_numpy(faces))
    return {
        "median": _three(norms.median()),
        "p95": _three(norms.quantile(0.95)),
        "max": _three(norms.max()),
        "owed": MAX_SLOPE,  # words: key of regressor.json
    }


@torch.no_grad()
def example_result(pair: ProjectedExample, regressor: Regressor) -> ExampleResult:
    """How near the z of an example's face is to the z of its sound."""
    features = pair.example.features
    z = regressor(torch.from_numpy(features)[None])[0]
    neutral = dict(zip(FEATURES, neutral_face(), strict=True)) | {"stillness": 0.0}
    face = {
        name: round(float(value), 3)
        for name, value in zip(FEATURES, features, strict=True)
        if value != neutral[name]
    }
    return ExampleResult(
        pair.example.line,
        face,
        name_of(pair.example.sound),
        _three((z - pair.z).norm() / (2 * len(z)) ** 0.5),
        None if pair.error_db is None else round(pair.error_db, 1),
    )


def name_of(sound: Sound) -> str:
    """A short name of a sound."""
    if isinstance(sound, GivenZ):
        return "a given z"
    if isinstance(sound, ClipOfDataset):
        return f"clip {sound.index}"
    return f"{sound.path.name} from {sound.from_s:g} s"


@torch.no_grad()
def typical_face_sounds(
    regressor: Regressor,
    generator: nn.Module,
    anchors: Tensor,
    geometry: Geometry,
    progress: Callable[[int], None],
) -> list[FaceSound]:
    """The sounds of the typical faces."""
    z = regressor(torch.from_numpy(typical_faces()))
    spectrograms = generator(z)[:, 0].float().numpy()
    progress(len(spectrograms))
    nearest = torch.cdist(z, anchors).argmin(dim=1).tolist()
    return [
        FaceSound(face, pixels, anchor, pitch_of_loop(pixels, geometry))
        for face, pixels, anchor in zip(FACES, spectrograms, nearest, strict=True)
    ]


def summary(evaluation: Evaluation) -> dict[str, float]:
    """The figures of the model card; those that could not be measured are left out."""
    table = evaluation.correlation
    figures = {
        "rank_correlation_mouth_centroid": table["mouth_open"]["centroid"],
        "rank_correlation_brow_flatness": table["brow_tension"]["flatness"],
        "rank_correlation_distance": evaluation.correlation_of_distance,
        "coverage_of_z": evaluation.coverage,
        "rest_to_anchor": evaluation.rest_to_anchor,
        "steepest_slope": evaluation.slope["max"],
    }
    return {name: value for name, value in figures.items() if value is not None}


def json_of(evaluation: Evaluation, about: dict[str, Any]) -> str:
    """All figures as JSON, without the spectrograms."""
    figures = asdict(evaluation) | {
        "moments": [
            {"face": m.face, "anchor": m.anchor, "pitch_hz": _hertz(m.pitch_hz)}
            for m in evaluation.moments
        ]
    }
    return json.dumps(about | figures, indent=2, allow_nan=False) + "\n"


def _hertz(pitch_hz: float) -> float | None:
    return round(pitch_hz, 1) if np.isfinite(pitch_hz) else None


def _three(value: Any) -> float:  # noqa: ANN401  a number of any library
    return round(float(value), 3)
