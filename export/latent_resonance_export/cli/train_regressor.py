"""`train-regressor`: train the map from faces to sounds of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from latent_resonance_export.cli.terminal import PATH, seed_option, stages

if TYPE_CHECKING:
    from latent_resonance_export.regressor.evaluation import Evaluation

HELP = """\
Train RUN's map from faces to sounds, without a single labelled face.

The sounds of many random z are described, then a small network learns from movement: z
follows the generator's prior, small movements make small changes, different faces different
sounds, an open mouth is brighter, a tense brow noisier, and the still face is at a pure tone.
Writes RUN/regressor.pt and a report, RUN/regressor.html and RUN/regressor.json. Existing
files are replaced, unless the command fails.

\b
Movement is synthetic. With --movement, half of it is recorded: scores that
  latent-resonance features face.mp4 -o scores/face.csv
wrote, of which the last fifth is held out for evaluation.

\b
Examples, "this face, this sound", pull the map towards them. A YAML list:
  - face: {mouth_open: 0.8, jaw_open: 0.6}   # other features are neutral
    sound: {clip: 12}                        # of the dataset, from 0
  - face: {brow_tension: 0.9}
    sound: {file: growl.wav, from_s: 1.5}    # beside the list
  - face: {head_yaw: 0.5}
    sound: {z: [0.12, -1.03, ...]}           # all numbers of a z
For each clip and file the nearest sound of the generator is found, which takes
about twenty seconds. An example holds whatever the motion, unless it names one.
Its sound becomes an anchor: a face that is held stays with it.
"""


@click.command("train-regressor", help=HELP, short_help="Train the map from faces to sounds.")
@click.argument("run", type=PATH)
@click.option(
    "--movement",
    type=PATH,
    multiple=True,
    help="A score, or a folder of scores.  May be given several times.",
)
@click.option("--examples", type=PATH, help="A YAML list of faces and their sounds.")
@click.option(
    "--dataset", type=PATH, help="The run's dataset; only examples that name clips need it."
)
@click.option(
    "--listen",
    type=click.IntRange(64),
    default=4000,
    show_default=True,
    help="Number of z whose sounds are described.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=3000,
    show_default=True,
    help="Training steps, of 256 moments of movement each.",
)
@seed_option(0)
def train_regressor(
    *,
    run: Path,
    movement: tuple[Path, ...],
    examples: Path | None,
    dataset: Path | None,
    listen: int,
    steps: int,
    seed: int,
) -> None:
    """See HELP; click shows that."""
    from latent_resonance_export.regressor.run_folder import train_run

    with stages() as show:
        evaluation = train_run(
            run,
            movement,
            examples,
            dataset,
            n_samples=listen,
            steps=steps,
            seed=seed,
            progress=show,
        )
    print_summary(evaluation, run)


def print_summary(evaluation: Evaluation, run: Path) -> None:
    """Prints the main figures and the path of the report."""
    from latent_resonance_export.regressor.model import MAX_SLOPE

    table = evaluation.correlation
    click.echo(f"correlation of mouth_open and centroid: {table['mouth_open']['centroid']}")
    click.echo(f"correlation of brow_tension and flatness: {table['brow_tension']['flatness']}")
    distances = evaluation.correlation_of_distance
    click.echo(f"correlation of distances of faces and of z: {distances}")
    click.echo(f"coverage of z: {evaluation.coverage}, of its variance: {evaluation.variance}")
    slope = evaluation.slope
    click.echo(f"slope: {slope['median']}, at most {slope['max']} (limit: {MAX_SLOPE:g})")
    click.echo(f"distance of the still face from the nearest anchor: {evaluation.rest_to_nearest}")
    for example in evaluation.examples:
        click.echo(f"example of line {example.line}: {example.distance} from {example.sound}")
    click.echo(f"\n{run / 'regressor.html'}")
