"""`audition`: listen to a pack or a run, with figures."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress, TaskID

from latent_resonance_export.cli.terminal import FOLDER, progress_bar, seed_option


@click.command(short_help="Listen to a pack or a run, with figures.")
@click.argument("subject", metavar="PACK|RUN", type=FOLDER)
@click.option(
    "--dataset",
    "named",
    type=FOLDER,
    help="What it was trained on.  [default: where the run says; for a pack datasets/NAME]",
)
@click.option(
    "-o",
    "--output",
    type=FOLDER,
    help="The audition's folder; replaced as a whole.  [default: RUN/audition, auditions/PACK]",
)
@click.option(
    "--clips",
    type=click.IntRange(2),
    default=256,
    show_default=True,
    help="Most clips to compare of each kind; no more than are held out.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=60,
    show_default=True,
    help="Length of each sound.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, nothing else.")
@seed_option(0)
def audition(
    *,
    subject: Path,
    named: Path | None,
    output: Path | None,
    clips: int,
    seconds: float,
    as_json: bool,
    seed: int,
) -> None:
    """Put what a pack or a run generates beside what is real: pictures, sound and figures.

    Writes a folder with index.html, its pictures, a sound of each, and
    figures.json. It measures and does not judge: the exit code is 0 whatever the figures.
    A pack whose dataset is not at hand is auditioned by itself.
    """
    from latent_resonance_export.audition.generator import dataset_of, open_subject, place_of
    from latent_resonance_export.audition.run import audition as perform
    from latent_resonance_export.audition.run import json_of
    from latent_resonance_export.audition.summary import lines, table
    from latent_resonance_export.pack.audition_folder import PAGE

    opened = open_subject(subject)
    dataset, folder = dataset_of(opened, named), output or place_of(opened)
    if dataset is None:
        where = opened.trained_on.get("folder") or "a known place"
        click.echo(
            f"there is no dataset at {where}: name it by --dataset for the figures that need it",
            err=True,
        )
    with progress_bar() as bar:
        show = _Stages(bar)
        measured = perform(
            opened, dataset, folder, clips=clips, seconds=seconds, seed=seed, progress=show
        )
    if as_json:
        click.echo(json_of(measured), nl=False)
        return
    click.echo(table(lines(measured.figures, measured.why_missing)))
    click.echo(f"\n{folder / PAGE}")


class _Stages:
    """A bar for each stage, made when it begins."""

    def __init__(self, bar: Progress) -> None:
        self.bar = bar
        self.tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self.tasks:
            self.tasks[stage] = self.bar.add_task(stage, total=total)
        self.bar.advance(self.tasks[stage], done)
