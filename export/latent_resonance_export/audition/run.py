"""The whole audition: measures, plots, renders sound, and writes the folder atomically."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from latent_resonance_export.audition import figures
from latent_resonance_export.audition.listening_clips import SECONDS, write_sounds
from latent_resonance_export.audition.metrics import MAX_CLIPS, MAX_LOOPS, Measurements, compare
from latent_resonance_export.audition.report import Section, page
from latent_resonance_export.audition.subject import AuditionError, Subject
from latent_resonance_export.audition.summary import lines
from latent_resonance_export.audition.truncation import Row, as_csv, truncation_rows
from latent_resonance_export.audition.verdict import verdict
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.pack.atomic_folder import AtomicFolder, is_replaceable
from latent_resonance_export.progress import ProgressCallback, counted, no_progress

PAGE = "index.html"
FIGURES = "figures.json"
TRUNCATION = "truncation.csv"


class Audition(NamedTuple):
    """What an audition found; `rows` say how calm or wild each truncation is."""

    measurements: Measurements
    rows: list[Row]


def audition(
    subject: Subject,
    dataset: Dataset | None,
    folder: Path,
    *,
    clips: int = MAX_CLIPS,
    loops: int = MAX_LOOPS,
    seconds: float = SECONDS,
    seed: int = 0,
    progress: ProgressCallback = no_progress,
) -> Audition:
    """Writes an audition of a subject; without a dataset, only what needs none.

    Raises
    ------
    AuditionError
        The folder holds something else, or the generator makes NaN; nothing is written.
    """
    check_folder(folder)
    measurements = compare(subject, dataset, clips=clips, loops=loops, seed=seed, progress=progress)
    rows = truncation_rows(subject, dataset, clips=clips, seed=seed, progress=progress)
    with AtomicFolder(folder) as output:
        part = output.new
        sounds = write_sounds(
            measurements, subject, part, seconds=seconds, seed=seed, progress=progress
        )
        sections = list(_draw(measurements, subject, dataset, part, seed, progress))
        found = lines(measurements.figures, measurements.why_missing)
        text = page(subject.name, _about(measurements, dataset), sounds, found, sections, rows)
        (part / PAGE).write_text(text, encoding="utf-8")
        (part / FIGURES).write_text(json_of(measurements), encoding="utf-8")
        (part / TRUNCATION).write_text(as_csv(rows), encoding="utf-8")
        output.commit()
    return Audition(measurements, rows)


def check_folder(folder: Path) -> None:
    """Refuses to replace a folder that holds no audition.

    Raises
    ------
    AuditionError
        The folder holds something else, or its parent cannot be created.
    """
    if not is_replaceable(folder, FIGURES):
        raise AuditionError(f"{folder} exists and is no audition: name another folder with -o")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditionError(
            f"{folder.parent} cannot be created ({error.strerror}): name another folder with -o"
        ) from error


def json_of(measurements: Measurements) -> str:
    """The figures as `audition --json` prints them."""
    return json.dumps(measurements.figures, indent=2) + "\n"


def _draw(
    measurements: Measurements,
    subject: Subject,
    dataset: Dataset | None,
    folder: Path,
    seed: int,
    progress: ProgressCallback,
) -> list[Section]:
    """Draws every plot for which there is data."""
    sheet, paths, near, steps = (
        folder / f"{name}.png" for name in ("sheet", "interpolations", "neighbours", "steps")
    )
    drawn = [Section("Real above generated", sheet, SHEET)]
    for _ in counted((None,), "plots", 1, progress):
        figures.draw_sheet(measurements, subject, sheet)
        figures.draw_interpolations(subject, paths, seed)
        drawn.append(Section("Interpolations", paths, INTERPOLATIONS))
        if dataset is not None:
            figures.draw_neighbours(measurements, dataset, subject.name, near)
            drawn.append(Section("Nearest training clips", near, NEIGHBOURS))
        figures.draw_steps(measurements, subject, steps)
        drawn.append(Section("Frame to frame", steps, STEPS))
    return drawn


SHEET = (
    "Each square is one loop: time to the right, mel upwards, brightness in decibels. "
    "Check for clean lines, silence between them, and squares that resemble each other."
)
INTERPOLATIONS = (
    "Each row interpolates between two random z. Small steps should make small changes, and the "
    "middle should be as plausible as the ends."
)
NEIGHBOURS = (
    "If the network had memorised its training clips, a generated clip and its neighbour would be "
    "equal. The neighbours are rolled in time to fit the generated clip."
)
STEPS = (
    "A flat line is ideal: no frame is special. A comb is a grain at the same frames of every "
    "loop, audible as a flutter; a peak at 0 is a seam."
)


def _about(measurements: Measurements, dataset: Dataset | None) -> list[str]:
    figures = measurements.figures
    trained = "" if figures["steps"] is None else f", trained for {figures['steps']} steps"
    if dataset is None:
        return [
            f"{figures['clips']} generated loops{trained}.",
            "Its dataset was not found: name it by --dataset to compare with real clips.",
        ]
    held_out = dataset.about.get("held_out", "")
    return [
        f"{str(verdict(figures)).capitalize()}.",
        f"{figures['clips']} generated loops{trained}, compared with as many held-out clips.",
        *([f"Held out, for the floor too: {held_out}."] if held_out else []),
        f"Sounds: {dataset.about.get('sounds', 'not stated')}",
    ]
