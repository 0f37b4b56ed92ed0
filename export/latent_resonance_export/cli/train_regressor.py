"""`train-regressor`: a run learns which face makes which sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latent_resonance_export.cli.terminal import FOLDER, progress_bar, seed_option

if TYPE_CHECKING:
    from latent_resonance_export.regressor.evaluation import Measured

HELP = """\
Teach RUN which face makes which sound, without a single labelled face.

The run's generator is listened to, then a small network learns from movement: z follows
the generator's prior, small movements make small changes, different faces different sounds,
an open mouth is brighter, a tense brow noisier, and the still face rests on a pure tone.
Writes RUN/regressor.pt and a report, RUN/regressor.html and RUN/regressor.json; what was
there is replaced, unless anything is wrong.

\b
Movement is composed. With --movement, half of it is recorded: scores that
  latent-resonance features face.mp4 -o scores/face.csv
wrote, of which the last fifth is kept for measuring.

\b
Examples, "this face, this sound", pull the map towards them. A YAML list:
  - face: {mouth_open: 0.8, jaw_open: 0.6}   # what is not named is neutral
    sound: {clip: 12}                        # of the dataset, from 0
  - face: {brow_tension: 0.9}
    sound: {file: growl.wav, from_s: 1.5}    # beside the list
  - face: {head_yaw: 0.5}
    sound: {z: [0.12, -1.03, ...]}           # all numbers of a z
The nearest that the generator can make is sought for each clip and file, some
twenty seconds each. An example is meant in whatever motion it is made, unless
it names one. Its sound becomes an anchor: a face that is held stays with it.
"""


@click.command("train-regressor", help=HELP, short_help="Teach a run which face makes which sound.")
@click.argument("run", type=FOLDER)
@click.option(
    "--movement",
    type=FOLDER,
    multiple=True,
    help="A score, or a folder of scores.  May be given several times.",
)
@click.option("--examples", type=FOLDER, help="A YAML list of faces and their sounds.")
@click.option("--dataset", type=FOLDER, help="Of the run; only examples that name clips need it.")
@click.option(
    "--listen",
    type=click.IntRange(64),
    default=4000,
    show_default=True,
    help="Random z that are heard before it learns.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=3000,
    show_default=True,
    help="Steps of learning; each hears 256 moments of movement.",
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
    from latent_resonance_export.regressor.run_folder import teach_run

    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.advance(tasks[stage], done)

        measured = teach_run(
            run,
            movement,
            examples,
            dataset,
            n_listen=listen,
            steps=steps,
            seed=seed,
            progress=show,
        )
    tell(measured, run)


def tell(measured: Measured, run: Path) -> None:
    """The figures in a few lines, and where the pictures are."""
    slope, table = measured.slope, measured.correlation
    click.echo(f"mouth_open with centroid: {table['mouth_open']['centroid']}")
    click.echo(f"brow_tension with flatness: {table['brow_tension']['flatness']}")
    click.echo(f"faces apart, sounds apart: {measured.correlation_of_distance}")
    click.echo(f"coverage of z: {measured.coverage}, of its variance: {measured.variance}")
    click.echo(f"slope: {slope['median']}, at most {slope['max']} (owed: {slope['owed']:g})")
    click.echo(f"the still face from a pure anchor: {measured.rest_to_nearest}")
    for example in measured.examples:
        click.echo(f"example of line {example.line}: {example.distance} from {example.sound}")
    click.echo(f"\n{run / 'regressor.html'}")
