"""The figures: what is generated measured beside what is real. `measure` is for other modules."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from latent_resonance import LatentResonanceError
from latent_resonance_export.audition import nearest_neighbour, seam, speed, tonality
from latent_resonance_export.audition.diversity import diversity
from latent_resonance_export.audition.generator import AuditionError, Subject, untrained
from latent_resonance_export.audition.invert import sound_of_loop
from latent_resonance_export.cli.progress import Progress, counted, silent
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.gan.metrics import all_patches, swd_of_patches

FloatArray = NDArray[np.float32]
Figures = dict[str, float | None]  # clips and steps are whole numbers
KEYS = (
    "swd",
    "swd_floor",
    "swd_untrained",
    "diversity",
    "diversity_real",
    "memorisation",
    "voiced",
    "voiced_real",
    "flatness",
    "flatness_real",
    "seam",
    "generator_ms",
    "generator_mb",
    "clips",
    "steps",
)
MOST_CLIPS = 256  # compared unless more are asked for
ALONE = 64  # clips generated where there are no real ones
FLOORS = 4  # draws of training clips, whose mean distance is the floor: one alone is chance
PAIRS = 128  # whose similarity is the diversity
VOICES = 24  # clips that are inverted and listened to, of each kind


@dataclass(frozen=True)
class Measured:
    """The figures, why some are missing, and the pictures that they are of.

    real, generated : as many of each, (n, n_mels, n_frames); no real ones without a dataset
    training : indices of the clips that the distances go to
    near, near_real : distances of what is generated and held out to those, (n, n_training)
    """

    figures: Figures
    generated: FloatArray
    real: FloatArray | None = None
    training: NDArray[np.intp] | None = None
    near: FloatArray | None = None
    near_real: FloatArray | None = None
    why_missing: dict[str, str] = field(default_factory=dict)


def measure(
    subject: Subject,
    dataset: Dataset | None,
    *,
    clips: int = MOST_CLIPS,
    seed: int = 0,
    progress: Progress = silent,
) -> Figures:
    """The figures alone, a number or None for each of KEYS; see `compare`."""
    return compare(subject, dataset, clips=clips, seed=seed, progress=progress).figures


def compare(
    subject: Subject,
    dataset: Dataset | None,
    *,
    clips: int = MOST_CLIPS,
    seed: int = 0,
    progress: Progress = silent,
) -> Measured:
    """Measures a subject beside its dataset's held-out clips, as many as there are up to `clips`.

    Raises
    ------
    AuditionError
        What it generates is not finite.
    """
    n = min(clips, ALONE) if dataset is None else n_compared(dataset, clips)
    generated = _generate(subject, n, seed, progress)
    real = training = near = near_real = None
    why: dict[str, str] = {}
    figures: Figures = dict.fromkeys(KEYS)
    figures |= {"clips": n, "steps": subject.steps, "seam": seam.seam(generated)}
    if dataset is not None:
        real = dataset.pictures(spread(np.flatnonzero(dataset.held_out), n))
        figures |= _patch_distances(subject, dataset, (real, generated), seed, why, progress)
        training = dataset.training
        near, near_real = _nearest(dataset, (generated, real), progress)
        figures["memorisation"] = nearest_neighbour.memorisation(near, near_real)
    figures |= _of_each(subject, generated, real, seed, progress)
    for _ in counted((None,), "time of the generator", 1, progress):
        figures["generator_ms"], figures["generator_mb"] = speed.cost(subject)
    figures = {key: significant(value) for key, value in figures.items()}
    why = _reasons(figures, dataset) | why
    return Measured(figures, generated, real, training, near, near_real, why)


def n_compared(dataset: Dataset, clips: int) -> int:
    """How many clips of each kind are compared: all sets are of one size."""
    return min(clips, int(dataset.held_out.sum()), len(dataset.training))


def spread(indices: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """So many of the indices, evenly from the first to the last."""
    return indices[np.linspace(0, len(indices) - 1, n).round().astype(int)]


def significant(value: float | None) -> float | None:
    """Four digits are more than chance leaves; what is not finite is no figure."""
    if value is None or isinstance(value, int):
        return value
    return float(f"{value:.4g}") if np.isfinite(value) else None


def _generate(subject: Subject, n: int, seed: int, progress: Progress) -> FloatArray:
    stream = subject.stream(subject.draw(n, seed))
    pictures = np.stack(list(counted(stream, "generating", n, progress)))
    if not np.isfinite(pictures).all():
        raise AuditionError(
            f"{subject.name} generates what is not finite: train on from an earlier checkpoint"
        )
    return pictures


def _patch_distances(
    subject: Subject,
    dataset: Dataset,
    sets: tuple[FloatArray, FloatArray],
    seed: int,
    why: dict[str, str],
    progress: Progress,
) -> Figures:
    """Sliced Wasserstein distances of generated, of training and of untrained from held out."""
    real, generated = sets
    patches, stage = all_patches(real, seed), "sliced Wasserstein distances"

    def distance(others: FloatArray) -> float:
        progress(stage, 1, 2 + FLOORS)
        return swd_of_patches(patches, all_patches(others, seed + 1000), seed)

    rng = np.random.default_rng([seed, 2])
    draws = (rng.choice(dataset.training, len(real), replace=False) for _ in range(FLOORS))
    floors = [distance(dataset.pictures(np.sort(draw))) for draw in draws]
    figures: Figures = {"swd": distance(generated), "swd_floor": float(np.mean(floors))}
    try:
        fresh = untrained(subject)
        pictures = np.stack(list(fresh.stream(fresh.draw(len(real), seed))))
        figures["swd_untrained"] = distance(pictures)
    except LatentResonanceError as error:
        why["swd_untrained"] = str(error)
    return figures


def _nearest(
    dataset: Dataset, sets: tuple[FloatArray, FloatArray], progress: Progress
) -> tuple[FloatArray, FloatArray]:
    """Distances of generated and of held-out clips to every training clip."""
    stage, pieces = "nearest training clips", np.array_split(dataset.training, 24)
    read = (nearest_neighbour.prepare(dataset.pictures(piece)) for piece in pieces if len(piece))
    total = sum(len(piece) > 0 for piece in pieces)
    training = nearest_neighbour.join(list(counted(read, stage, total, progress)))
    generated, real = (
        nearest_neighbour.distances(nearest_neighbour.prepare(s), training) for s in sets
    )
    return generated, real


def _of_each(
    subject: Subject,
    generated: FloatArray,
    real: FloatArray | None,
    seed: int,
    progress: Progress,
) -> Figures:
    """Diversity and tonality, which are measured on each set by itself."""
    figures: Figures = {}
    sets = [("", generated)] + ([] if real is None else [("_real", real)])
    for ending, pictures in counted(sets, "diversity", len(sets), progress):
        if len(pictures) > 1:
            figures[f"diversity{ending}"] = diversity(pictures, PAIRS, seed)
    for ending, pictures in sets:
        chosen = pictures[spread(np.arange(len(pictures)), min(VOICES, len(pictures)))]
        heard = []
        for picture in counted(chosen, "listening", len(sets) * len(chosen), progress):
            sound = sound_of_loop(picture, subject.geometry)
            heard.append(tonality.listen(sound, subject.geometry.sample_rate))
        if found := tonality.summary(heard):
            figures[f"voiced{ending}"] = found.voiced
            figures[f"flatness{ending}"] = found.flatness_db
    return figures


def _reasons(figures: Figures, dataset: Dataset | None) -> dict[str, str]:
    """Why each figure that is missing is."""
    known = {
        "steps": "the pack does not say",
        "seam": "nothing moves except at the loop point",
        "diversity": "one clip has no pair",
        "diversity_real": "one clip has no pair",
    }
    needs_real = ("swd", "diversity_real", "memorisation", "voiced_real", "flatness_real")
    why = {}
    for key in (key for key, value in figures.items() if value is None):
        without = dataset is None and key.startswith(needs_real)
        why[key] = "needs the dataset" if without else known.get(key, "nothing sounds")
    return why
