"""Trains the regressor of a run folder and writes it with its report.

    RUN/regressor.pt     see regressor/model.py
    RUN/regressor.json   all figures
    RUN/regressor.html   the same as a page with plots

All input is checked before training begins.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from latent_resonance.linux.atomic_file import atomic_path
from latent_resonance_export.gan.models.protocol import latent_dim_of
from latent_resonance_export.gan.run import Run, open_run
from latent_resonance_export.regressor.evaluation import Evaluation, json_of
from latent_resonance_export.regressor.examples import ClipOfDataset, read_examples
from latent_resonance_export.regressor.model import Trained, save_regressor
from latent_resonance_export.regressor.projection import spectrograms_of
from latent_resonance_export.regressor.recorded_motion import read_movement
from latent_resonance_export.regressor.report import page
from latent_resonance_export.regressor.train import TrainingConfig, train

REPORT = ("regressor.json", "regressor.html")


def train_run(
    folder: Path,
    movement: tuple[Path, ...] = (),
    examples: Path | None = None,
    dataset: Path | None = None,
    *,
    n_samples: int = 4000,
    steps: int = 3000,
    seed: int = 0,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Evaluation:
    """Trains the regressor of a run and writes it with its report.

    Raises
    ------
    RunError, CheckpointError, DatasetError, ScoreError, RegressorError, ExamplesError
        The input is unusable; nothing was written.
    """
    run = open_run(folder)
    config = config_of(run, movement, examples, dataset, n_samples, steps, seed)
    trained, evaluation = train(run.generator, config, step=run.step, progress=progress)
    write_report(run, config, trained, evaluation)
    return evaluation


def config_of(
    run: Run,
    movement: tuple[Path, ...],
    examples: Path | None,
    dataset: Path | None,
    n_samples: int,
    steps: int,
    seed: int,
) -> TrainingConfig:
    """Reads and checks all input."""
    geometry = run.config.geometry
    pairs = read_examples(examples, latent_dim_of(run.generator)) if examples else []
    names_clips = any(isinstance(pair.sound, ClipOfDataset) for pair in pairs)
    clips = run.dataset(dataset) if names_clips or dataset else None
    return TrainingConfig(
        geometry=geometry,
        steps=steps,
        n_samples=n_samples,
        seed=seed,
        recorded=read_movement(movement) if movement else None,
        examples=pairs,
        spectrograms=spectrograms_of(pairs, examples, geometry, clips) if examples else [],
        examples_file=examples or Path("examples"),
    )


def write_report(
    run: Run, config: TrainingConfig, trained: Trained, evaluation: Evaluation
) -> None:
    """Writes the report, then the regressor, each completely or not at all."""
    recorded = config.recorded
    about = {
        "generator_step": run.step,
        "regressor_steps": config.steps,
        "heard": config.n_samples,  # words: key of regressor.json
        "seed": config.seed,
        "scores": list(recorded.names) if recorded else [],
        "anchors": len(trained.anchors),
    }
    name = run.folder.resolve().name
    html = page(name, introduction(run, config), evaluation, run.config.geometry)
    texts = (json_of(evaluation, about), html)
    with ExitStack() as stack:
        for name, text in zip(REPORT, texts, strict=True):
            beside = stack.enter_context(atomic_path(run.folder / name))
            beside.write_text(text, encoding="utf-8")
        save_regressor(trained, run.folder)


def introduction(run: Run, config: TrainingConfig) -> list[str]:
    """The sentences under the heading of the page."""
    movement = "synthetic movement"
    if config.recorded:
        names = ", ".join(config.recorded.names[:8])
        more = ", …" if len(config.recorded.names) > 8 else ""
        movement += f" and {config.recorded.seconds:.0f} s of recorded movement ({names}{more})"
    data = f"{config.n_samples} z of the generator at step {run.step}"
    return [f"Trained on {data}, in {config.steps} steps on {movement}."]
