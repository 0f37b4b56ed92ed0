"""What became of a regressor, measured through the real generator on movement it has not seen."""

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
from latent_resonance_export.regressor.example_faces import FACES, still_face, typical_faces
from latent_resonance_export.regressor.examples import ClipOfDataset, GivenZ, Sound
from latent_resonance_export.regressor.losses import steepest_slopes
from latent_resonance_export.regressor.model import STEEPEST, Regressor
from latent_resonance_export.regressor.pitch import pitch_of_loop
from latent_resonance_export.regressor.projection import Pair
from latent_resonance_export.regressor.recorded_motion import Recorded
from latent_resonance_export.regressor.surrogate import BATCH
from latent_resonance_export.regressor.synthetic_motion import compose_movement

FloatArray = NDArray[np.float32]
SOUNDS = ("centroid", "flatness", "loudness", "pitch")
MOMENTS = 300  # faces that are heard
UNSEEN_S = 600.0
SLOPES = 3000  # faces whose slope is taken


@dataclass(frozen=True)
class Moment:
    """What one face makes."""

    face: str
    pixels: FloatArray  # (n_mels, n_frames)
    anchor: int  # the nearest, from 0
    pitch_hz: float


@dataclass(frozen=True)
class Reached:
    """How near an example came. Distances: 0 = there, 1 = as far as a random z."""

    line: int
    face: dict[str, float]  # what is not neutral
    sound: str
    distance: float
    sound_error_db: float | None  # of the z that was found for the sound; None if z was given


@dataclass(frozen=True)
class Measured:
    """All figures of a report."""

    correlation: dict[str, dict[str, float | None]]  # Spearman's, feature by sound
    correlation_of_distance: float  # of faces with z
    coverage: float  # mean distance of z, 1 = as far apart as random z
    variance: float  # share of the prior's
    directions: float  # that z moves in, of latent_dim
    slope: dict[str, float]  # median, p95 and max of the Jacobian's norm, and what is owed
    rest_to_anchor: float  # the still face from the first anchor, 1 = z's own length
    rest_to_nearest: float  # from the nearest anchor, 1 = as far as a random z
    pitched: float  # share of faces whose sound has a pitch
    recorded_s: float  # seconds of recorded movement
    examples: list[Reached]
    moments: list[Moment]


def measure(
    regressor: Regressor,
    generator: nn.Module,
    anchors: Tensor,
    pairs: list[Pair],
    *,
    geometry: Geometry,
    recorded: Recorded | None,
    seed: int,
    progress: Callable[[str, int, int], None],
) -> Measured:
    """Listens to some hundred faces and to the typical ones."""
    unseen = [compose_movement(UNSEEN_S, seed + 1)]
    if recorded is not None:
        unseen.append(recorded.kept)
    faces = evenly(unseen, MOMENTS)
    with torch.no_grad():
        z = regressor(torch.from_numpy(faces))
        rest = regressor(torch.from_numpy(still_face())[None])[0]
    total = len(faces) + len(FACES)
    sounds = sounds_of(generator, z, geometry, lambda n: progress("measuring", n, total))
    weighted = torch.from_numpy(faces) * regressor.scale
    apart = torch.pdist(z)
    variances = torch.linalg.eigvalsh(torch.cov(z.T).double()).clamp(min=0)
    return Measured(
        correlation=correlations(faces, sounds),
        correlation_of_distance=_three(rank_correlation(torch.pdist(weighted).numpy(), apart)),
        coverage=_three(apart.mean() / (2 * z.shape[1]) ** 0.5),
        variance=_three(variances.sum() / z.shape[1]),
        directions=round(float(variances.sum() ** 2 / variances.square().sum()), 1),
        slope=slopes(regressor, evenly(unseen, SLOPES)),
        rest_to_anchor=round(float((rest - anchors[0]).norm() / anchors[0].norm()), 4),
        rest_to_nearest=_three((anchors - rest).norm(dim=1).min() / (2 * z.shape[1]) ** 0.5),
        pitched=_three(np.isfinite(sounds[:, SOUNDS.index("pitch")]).mean()),
        recorded_s=round(recorded.seconds, 1) if recorded else 0.0,
        examples=[reached(pair, regressor) for pair in pairs],
        moments=typical_moments(
            regressor, generator, anchors, geometry, lambda n: progress("measuring", n, total)
        ),
    )


def evenly(tracks: list[FloatArray], n: int) -> FloatArray:
    """About n rows in all, as many from each track, evenly through it."""
    share = n // len(tracks)
    return np.concatenate([track[:: max(len(track) // share, 1)][:share] for track in tracks])


@torch.no_grad()
def sounds_of(
    generator: nn.Module, z: Tensor, geometry: Geometry, progress: Callable[[int], None]
) -> NDArray[np.float64]:
    """SOUNDS of each z: (n, 4); no pitch is NaN."""
    columns = [NAMES.index(name) for name in ("centroid", "flatness", "level")]
    rows = []
    for chunk in z.split(BATCH):
        pictures = generator(chunk).float()
        described = describe(pictures, geometry.range_db)[:, columns].tolist()
        pitches = [pitch_of_loop(picture, geometry) for picture in pictures[:, 0].numpy()]
        rows += [[*three, pitch] for three, pitch in zip(described, pitches, strict=True)]
        progress(len(chunk))
    return np.array(rows)


def correlations(
    faces: FloatArray, sounds: NDArray[np.float64]
) -> dict[str, dict[str, float | None]]:
    """Spearman's rank correlation of each feature with each sound; None where one never changes."""
    table: dict[str, dict[str, float | None]] = {}
    for i, feature in enumerate(FEATURES):
        row = {name: rank_correlation(faces[:, i], sounds[:, j]) for j, name in enumerate(SOUNDS)}
        table[feature] = {k: _three(v) if np.isfinite(v) else None for k, v in row.items()}
    return table


def rank_correlation(a: NDArray[np.floating], b: NDArray[np.floating] | Tensor) -> float:
    """Spearman's, over what is a number in both; NaN where one never changes."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    known = np.isfinite(a) & np.isfinite(b)
    if known.sum() < 8 or np.ptp(a[known]) == 0 or np.ptp(b[known]) == 0:
        return float("nan")
    return float(spearmanr(a[known], b[known])[0])


@torch.no_grad()
def slopes(regressor: Regressor, faces: FloatArray) -> dict[str, float]:
    """How steep the map is in the steepest direction, and what is owed; see wishes.py."""
    norms = steepest_slopes(regressor, torch.from_numpy(faces))
    return {
        "median": _three(norms.median()),
        "p95": _three(norms.quantile(0.95)),
        "max": _three(norms.max()),
        "owed": STEEPEST,
    }


@torch.no_grad()
def reached(pair: Pair, regressor: Regressor) -> Reached:
    """How near the face of an example came to its sound."""
    features = pair.example.features
    z = regressor(torch.from_numpy(features)[None])[0]
    neutral = dict(zip(FEATURES, still_face(), strict=True)) | {"stillness": 0.0}
    face = {
        name: round(float(value), 3)
        for name, value in zip(FEATURES, features, strict=True)
        if value != neutral[name]
    }
    return Reached(
        pair.example.line,
        face,
        name_of(pair.example.sound),
        _three((z - pair.z).norm() / (2 * len(z)) ** 0.5),
        None if pair.error_db is None else round(pair.error_db, 1),
    )


def name_of(sound: Sound) -> str:
    """A sound in a few words."""
    if isinstance(sound, GivenZ):
        return "a given z"
    if isinstance(sound, ClipOfDataset):
        return f"clip {sound.index}"
    return f"{sound.path.name} from {sound.from_s:g} s"


@torch.no_grad()
def typical_moments(
    regressor: Regressor,
    generator: nn.Module,
    anchors: Tensor,
    geometry: Geometry,
    progress: Callable[[int], None],
) -> list[Moment]:
    """What the typical faces make."""
    z = regressor(torch.from_numpy(typical_faces()))
    pictures = generator(z)[:, 0].float().numpy()
    progress(len(pictures))
    nearest = torch.cdist(z, anchors).argmin(dim=1).tolist()
    return [
        Moment(face, pixels, anchor, pitch_of_loop(pixels, geometry))
        for face, pixels, anchor in zip(FACES, pictures, nearest, strict=True)
    ]


def summary(measured: Measured) -> dict[str, float]:
    """The figures that a model card shows; one that could not be measured is left out."""
    table = measured.correlation
    figures = {
        "rank_correlation_mouth_centroid": table["mouth_open"]["centroid"],
        "rank_correlation_brow_flatness": table["brow_tension"]["flatness"],
        "rank_correlation_distance": measured.correlation_of_distance,
        "coverage_of_z": measured.coverage,
        "rest_to_anchor": measured.rest_to_anchor,
        "steepest_slope": measured.slope["max"],
    }
    return {name: value for name, value in figures.items() if value is not None}


def json_of(measured: Measured, about: dict[str, Any]) -> str:
    """All figures as JSON, the pictures left out."""
    figures = asdict(measured) | {
        "moments": [
            {"face": m.face, "anchor": m.anchor, "pitch_hz": _hertz(m.pitch_hz)}
            for m in measured.moments
        ]
    }
    return json.dumps(about | figures, indent=2, allow_nan=False) + "\n"


def _hertz(pitch_hz: float) -> float | None:
    return round(pitch_hz, 1) if np.isfinite(pitch_hz) else None


def _three(value: Any) -> float:  # noqa: ANN401  a number of any library
    return round(float(value), 3)
