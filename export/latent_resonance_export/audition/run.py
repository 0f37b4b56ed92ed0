"""A whole audition: measures, draws, renders, and writes the folder at once or not at all."""

from __future__ import annotations

import json
from pathlib import Path

from latent_resonance_export.audition import figures
from latent_resonance_export.audition.generator import Subject
from latent_resonance_export.audition.listening_clips import SECONDS, write_sounds
from latent_resonance_export.audition.metrics import MOST_CLIPS, Measured, compare
from latent_resonance_export.audition.report import Section, page
from latent_resonance_export.audition.summary import lines
from latent_resonance_export.cli.progress import Progress, counted, silent
from latent_resonance_export.dataset.dataset import Dataset
from latent_resonance_export.pack.audition_folder import FIGURES, PAGE, check_place, whole_folder


def audition(
    subject: Subject,
    dataset: Dataset | None,
    folder: Path,
    *,
    clips: int = MOST_CLIPS,
    seconds: float = SECONDS,
    seed: int = 0,
    progress: Progress = silent,
) -> Measured:
    """Writes an audition of a subject; without a dataset, what can be had without.

    Raises
    ------
    AuditionError
        The folder is something else, or what is generated is not finite; nothing is written.
    """
    check_place(folder)
    measured = compare(subject, dataset, clips=clips, seed=seed, progress=progress)
    with whole_folder(folder) as part:
        sounds = write_sounds(
            measured, subject, part, seconds=seconds, seed=seed, progress=progress
        )
        sections = list(_draw(measured, subject, dataset, part, seed, progress))
        found = lines(measured.figures, measured.why_missing)
        text = page(subject.name, _about(measured, dataset), sounds, found, sections)
        (part / PAGE).write_text(text, encoding="utf-8")
        (part / FIGURES).write_text(json_of(measured), encoding="utf-8")
    return measured


def json_of(measured: Measured) -> str:
    """The figures as `audition --json` prints them."""
    return json.dumps(measured.figures, indent=2) + "\n"


def _draw(
    measured: Measured,
    subject: Subject,
    dataset: Dataset | None,
    folder: Path,
    seed: int,
    progress: Progress,
) -> list[Section]:
    """Draws every picture there is something for."""
    sheet, ways, near, steps = (
        folder / f"{name}.png" for name in ("sheet", "interpolations", "neighbours", "steps")
    )
    drawn = [Section("Real above generated", sheet, SHEET)]
    for _ in counted((None,), "pictures", 1, progress):
        figures.draw_sheet(measured, subject, sheet)
        figures.draw_interpolations(subject, ways, seed)
        drawn.append(Section("From z to z", ways, WAYS))
        if dataset is not None:
            figures.draw_neighbours(measured, dataset, subject.name, near)
            drawn.append(Section("Nearest training clips", near, NEIGHBOURS))
        figures.draw_steps(measured, subject, steps)
        drawn.append(Section("Frame to frame", steps, STEPS))
    return drawn


SHEET = (
    "Each square is one loop: time to the right, pitch upwards in mel, brightness in decibels. "
    "Look for clean lines, for silence between them, and for one square like another."
)
WAYS = (
    "Each row travels between two random z. Small steps should make small changes, and what lies "
    "between should be as plausible as the ends."
)
NEIGHBOURS = (
    "If the network had learnt its training clips by heart, a generated clip and its neighbour "
    "would be the same picture. The neighbours are turned to lie as the generated clip does."
)
STEPS = (
    "A flat line is right: no frame is a special one. A comb is a grain that the network prints "
    "at the same frames of every loop, heard as a flutter; a peak at 0 is a seam."
)


def _about(measured: Measured, dataset: Dataset | None) -> list[str]:
    figures = measured.figures
    trained = "" if figures["steps"] is None else f", trained for {figures['steps']} steps"
    if dataset is None:
        return [
            f"{figures['clips']} generated loops{trained}.",
            "Its dataset was not at hand, so nothing real stands beside it; name it by --dataset.",
        ]
    return [
        f"{figures['clips']} generated loops{trained}, beside as many clips held out of training.",
        f"Sounds: {dataset.about.get('sounds', 'not told')}",
    ]
