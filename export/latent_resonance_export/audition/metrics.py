"""The figures of an audition: generated clips compared with real ones."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance_export.audition import (
    loop_statistics,
    nearest_neighbour,
    seam,
    speed,
    tonality,
)
from latent_resonance_export.audition.diversity import diversity
from latent_resonance_export.audition.invert import loop_to_audio
from latent_resonance_export.audition.subject import AuditionError, Subject, untrained
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.metrics import all_patches, swd_of_patches
from latent_resonance_export.gan.validation import spread
from latent_resonance_export.progress import ProgressCallback, counted, no_progress
from latent_resonance_export.regressor import reach
from latent_resonance_export.regressor.real_movement import REAL_P95
from latent_resonance_export.regressor.synthetic_motion import composed_faces, held

FloatArray = NDArray[np.float32]
MetricValues = dict[str, float | None]  # clips and steps are whole numbers
OF_LOOPS = ("top_bands", "quiet_frames", "silent_frame", "rhythm_alike", "level_span", "different")
FACES = "_faces"  # ending of the same figures for the z of composed faces, not for random z
KEYS = (
    "swd",
    "swd_floor",
    "swd_untrained",
    "diversity",
    "diversity_real",
    "memorisation",
    "voiced",
    "voiced_real",
    "voiced_untrained",
    "flatness",
    "flatness_real",
    "seam",
    "seam_real",
    "seam_untrained",
    "movement",
    "movement_real",
    *OF_LOOPS,
    *(f"{key}{FACES}" for key in OF_LOOPS),
    *(f"reach_{name}" for name in REAL_P95),
    "rarest_anchor",
    "generator_ms",
    "generator_mb",
    "clips",
    "steps",
)
MAX_CLIPS = 256  # compared by default
CLIPS_WITHOUT_DATASET = 64  # generated if there is no dataset
FLOOR_DRAWS = 4  # sets of training clips, whose mean distance is the floor: one alone is noisy
DIVERSITY_PAIRS = 128  # of the diversity
TONALITY_CLIPS = 24  # inverted to sound, of each kind
UNTRAINED_TONALITY_CLIPS = 6  # of the untrained network, which only needs a rough figure
MAX_LOOPS = 1000  # of random z, and as many of composed faces, for OF_LOOPS


@dataclass(frozen=True)
class Measurements:
    """The figures, why some are missing, and the spectrograms that were measured.

    real, generated : equally many, (n, n_mels, n_frames); no real ones without a dataset
    training : indices of the training clips
    near, near_real : distances of generated and of held-out clips from those, (n, n_training)
    """

    figures: MetricValues
    generated: FloatArray
    real: FloatArray | None = None
    training: NDArray[np.intp] | None = None
    near: FloatArray | None = None
    near_real: FloatArray | None = None
    why_missing: dict[str, str] = field(default_factory=dict)


def compare(
    subject: Subject,
    dataset: Dataset | None,
    *,
    clips: int = MAX_CLIPS,
    loops: int = MAX_LOOPS,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
) -> Measurements:
    """Compares a subject with its dataset's held-out clips, at most `clips` of them.

    loops : random z, and as many composed faces, whose loops are measured without comparison

    Raises
    ------
    AuditionError
        It generates NaN or infinity.
    """
    n = min(clips, CLIPS_WITHOUT_DATASET) if dataset is None else n_compared(dataset, clips)
    generated = _generate(subject, n, seed, progress)
    real = training = near = near_real = fresh = None
    why: dict[str, str] = {}
    figures: MetricValues = dict.fromkeys(KEYS)
    figures |= {"clips": n, "steps": subject.steps}
    if dataset is not None:
        real = dataset.spectrograms(spread(np.flatnonzero(dataset.held_out), n))
        fresh = _untrained(subject, n, seed, why)
        figures |= _patch_distances(dataset, real, generated, fresh, seed, progress)
        training = dataset.training
        near, near_real = _nearest(dataset, (generated, real), progress)
        figures["memorisation"] = nearest_neighbour.memorisation(near, near_real)
    sets = {"": generated, "_real": real, "_untrained": fresh}
    figures |= _of_each(subject, {k: s for k, s in sets.items() if s is not None}, seed, progress)
    figures |= _of_random_z(subject, loops, seed, progress)
    if subject.regressor is not None and subject.anchors is not None:
        figures |= _of_faces(subject, subject.regressor, subject.anchors, loops, seed, progress)
    for _ in counted((None,), "time of the generator", 1, progress):
        figures["generator_ms"], figures["generator_mb"] = speed.cost(subject)
    figures = {key: round_figure(value) for key, value in figures.items()}
    why = _reasons(figures, dataset) | why
    return Measurements(figures, generated, real, training, near, near_real, why)


def n_compared(dataset: Dataset, clips: int) -> int:
    """How many clips of each kind are compared: all sets have one size."""
    return min(clips, int(dataset.held_out.sum()), len(dataset.training))


def round_figure(value: float | None) -> float | None:
    """Rounds to four digits, more than the noise justifies; None if not finite."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _generate(subject: Subject, n: int, seed: int, progress: ProgressCallback) -> FloatArray:
    spectrograms_of = subject.spectrograms_of(subject.draw_z(n, seed))
    spectrograms = np.stack(list(counted(spectrograms_of, "generating", n, progress)))
    if not np.isfinite(spectrograms).all():
        raise AuditionError(
            f"{subject.name} generates NaN or infinity: continue training from an earlier "
            "checkpoint"
        )
    return spectrograms


def _untrained(subject: Subject, n: int, seed: int, why: dict[str, str]) -> FloatArray | None:
    """Spectrograms of the same architecture before training; None if it cannot be made."""
    try:
        fresh = untrained(subject)
    except LatentResonanceError as error:
        why["swd_untrained"] = str(error)
        return None
    return np.stack(list(fresh.spectrograms_of(fresh.draw_z(n, seed))))


def _patch_distances(
    dataset: Dataset,
    real: FloatArray,
    generated: FloatArray,
    fresh: FloatArray | None,
    seed: int,
    progress: ProgressCallback,
) -> MetricValues:
    """Sliced Wasserstein distances from held-out clips: of generated, training and untrained."""
    patches, stage = all_patches(real, seed), "sliced Wasserstein distances"

    def distance(others: FloatArray) -> float:
        progress(stage, 1, 2 + FLOOR_DRAWS)
        return swd_of_patches(patches, all_patches(others, seed + 1000), seed)

    rng = np.random.default_rng([seed, 2])
    draws = (rng.choice(dataset.training, len(real), replace=False) for _ in range(FLOOR_DRAWS))
    floors = [distance(dataset.spectrograms(np.sort(draw))) for draw in draws]
    return {
        "swd": distance(generated),
        "swd_floor": float(np.mean(floors)),
        "swd_untrained": None if fresh is None else distance(fresh),
    }


def _nearest(
    dataset: Dataset, sets: tuple[FloatArray, FloatArray], progress: ProgressCallback
) -> tuple[FloatArray, FloatArray]:
    """Distances of generated and of held-out clips to every training clip."""
    stage, pieces = "nearest training clips", np.array_split(dataset.training, 24)
    read = (
        nearest_neighbour.prepare(dataset.spectrograms(piece)) for piece in pieces if len(piece)
    )
    total = sum(len(piece) > 0 for piece in pieces)
    training = nearest_neighbour.join(list(counted(read, stage, total, progress)))
    generated, real = (
        nearest_neighbour.distances(nearest_neighbour.prepare(s), training) for s in sets
    )
    return generated, real


def _of_each(
    subject: Subject, sets: dict[str, FloatArray], seed: int, progress: ProgressCallback
) -> MetricValues:
    """What is measured on each set alone, by the endings of the keys; more than KEYS."""
    figures: MetricValues = {}
    for ending, spectrograms in counted(sets.items(), "diversity", len(sets), progress):
        figures[f"seam{ending}"] = seam.seam(spectrograms)
        figures[f"movement{ending}"] = seam.movement(spectrograms)
        if len(spectrograms) > 1 and ending != "_untrained":
            figures[f"diversity{ending}"] = diversity(spectrograms, DIVERSITY_PAIRS, seed)
    for ending, spectrograms in sets.items():
        limit = UNTRAINED_TONALITY_CLIPS if ending == "_untrained" else TONALITY_CLIPS
        chosen = spectrograms[spread(np.arange(len(spectrograms)), min(limit, len(spectrograms)))]
        frames = []
        for spectrogram in counted(chosen, "tonality", len(sets) * len(chosen), progress):
            sound = loop_to_audio(spectrogram, subject.geometry)
            frames.append(tonality.measure_tonality(sound, subject.geometry.sample_rate))
        if found := tonality.pool(frames):
            figures[f"voiced{ending}"] = found.voiced
            figures[f"flatness{ending}"] = found.flatness_db
    return {key: value for key, value in figures.items() if key in KEYS}


def _of_random_z(
    subject: Subject, n: int, seed: int, progress: ProgressCallback
) -> dict[str, float]:
    return _of_loops(subject, subject.draw_z(n, seed), "loops of random z", progress)


def _of_faces(
    subject: Subject,
    regressor: reach.RegressorFunction,
    anchors: FloatArray,
    n: int,
    seed: int,
    progress: ProgressCallback,
) -> dict[str, float]:
    """The loops that composed faces play, and how z follows a face."""
    faces = composed_faces(n, seed)
    loops = _of_loops(subject, regressor(faces), "loops of faces", progress)
    reaches, shares = (
        reach.reaches(regressor),
        reach.anchor_shares(regressor(held(faces)), anchors),
    )
    return {
        **{f"{key}{FACES}": value for key, value in loops.items()},
        **{f"reach_{name}": value for name, value in reaches.items()},
        "rarest_anchor": float(shares.min()),
    }


def _of_loops(
    subject: Subject, z: FloatArray, stage: str, progress: ProgressCallback
) -> dict[str, float]:
    """OF_LOOPS of the loops of z; none is kept, for a thousand fill a gigabyte."""
    spectrograms = counted(subject.spectrograms_of(z), stage, len(z), progress)
    return loop_statistics.statistics(
        [loop_statistics.summarise(s, subject.geometry) for s in spectrograms]
    )


def _reasons(figures: MetricValues, dataset: Dataset | None) -> dict[str, str]:
    """Why each missing figure is missing."""
    reasons = {
        "steps": "unknown",
        "seam": "nothing changes except at the loop point",
        "diversity": "one clip has no pair",
        "diversity_real": "one clip has no pair",
    }
    of_faces = (FACES, "rarest_anchor")
    needs_real = ("swd", "memorisation")
    of_real = ("_real", "_untrained")
    why = {}
    for key in (key for key, value in figures.items() if value is None):
        without = dataset is None and (key.startswith(needs_real) or key.endswith(of_real))
        faceless = key.endswith(of_faces) or key.startswith("reach_")
        other = "needs a regressor" if faceless else reasons.get(key, "nothing sounds")
        why[key] = "needs the dataset" if without else other
    return why
