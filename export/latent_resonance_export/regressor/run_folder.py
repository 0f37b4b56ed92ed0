"""From a run's folder and an artist's files to its regressor and the report beside it.

    RUN/regressor.pt     see regressor.py
    RUN/regressor.json   all figures
    RUN/regressor.html   the same to look at

Everything that was given is checked before anything is listened to.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from latent_resonance.audio.wav import written_beside
from latent_resonance_export.gan.run import Run, open_run
from latent_resonance_export.regressor.evaluation import Measured, json_of
from latent_resonance_export.regressor.examples import ClipOfDataset, read_examples
from latent_resonance_export.regressor.model import Trained, save_regressor
from latent_resonance_export.regressor.projection import pictures_of
from latent_resonance_export.regressor.recorded_motion import read_movement
from latent_resonance_export.regressor.report import page
from latent_resonance_export.regressor.train import Course, teach

REPORT = ("regressor.json", "regressor.html")


def teach_run(
    folder: Path,
    movement: tuple[Path, ...] = (),
    examples: Path | None = None,
    dataset: Path | None = None,
    *,
    n_listen: int = 4000,
    steps: int = 3000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Measured:
    """Trains the regressor of a run and writes it with its report.

    Raises
    ------
    RunError, CheckpointError, DatasetError, ScoreError, RegressorError, ExamplesError
        What was given cannot be learnt from; nothing was written.
    """
    run = open_run(folder)
    course = course_of(run, movement, examples, dataset, n_listen, steps, seed)
    trained, measured = teach(run.generator, course, step=run.step, progress=progress)
    write_report(run, course, trained, measured)
    return measured


def course_of(
    run: Run,
    movement: tuple[Path, ...],
    examples: Path | None,
    dataset: Path | None,
    n_listen: int,
    steps: int,
    seed: int,
) -> Course:
    """All that is learnt from, read and checked."""
    geometry = run.sheet.geometry
    pairs = read_examples(examples, run.generator.latent_dim) if examples else []
    names_clips = any(isinstance(pair.sound, ClipOfDataset) for pair in pairs)
    clips = run.dataset(dataset) if names_clips or dataset else None
    return Course(
        geometry=geometry,
        steps=steps,
        n_listen=n_listen,
        seed=seed,
        recorded=read_movement(movement) if movement else None,
        examples=pairs,
        pictures=pictures_of(pairs, examples, geometry, clips) if examples else [],
        examples_file=examples or Path("examples"),
    )


def write_report(run: Run, course: Course, trained: Trained, measured: Measured) -> None:
    """The report and then the regressor, each whole or not at all."""
    recorded = course.recorded
    about = {
        "generator_step": run.step,
        "regressor_steps": course.steps,
        "heard": course.n_listen,
        "seed": course.seed,
        "scores": list(recorded.names) if recorded else [],
        "anchors": len(trained.anchors),
    }
    name = run.folder.resolve().name
    html = page(name, sentences(run, course), measured, run.sheet.geometry)
    texts = (json_of(measured, about), html)
    with ExitStack() as stack:
        for name, text in zip(REPORT, texts, strict=True):
            beside = stack.enter_context(written_beside(run.folder / name))
            beside.write_text(text, encoding="utf-8")
        save_regressor(trained, run.folder)


def sentences(run: Run, course: Course) -> list[str]:
    """What the page tells under the run's name."""
    movement = "composed movement"
    if course.recorded:
        names = ", ".join(course.recorded.names[:8])
        more = ", …" if len(course.recorded.names) > 8 else ""
        movement += f" and {course.recorded.seconds:.0f} s of recorded movement ({names}{more})"
    heard = f"{course.n_listen} random z were heard through the generator of step {run.step}"
    return [f"{heard}; {course.steps} steps were learnt on {movement}."]
