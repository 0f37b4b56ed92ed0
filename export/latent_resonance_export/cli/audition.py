"""`audition`: compare a pack or a run with its dataset."""

from __future__ import annotations

from pathlib import Path

import click

from latent_resonance_export.cli.terminal import PATH, seed_option, stages


@click.command(short_help="Compare a pack or a run with its dataset.")
@click.argument("subject", metavar="PACK|RUN", type=PATH)
@click.option(
    "--dataset",
    "named",
    type=PATH,
    help="The dataset it was trained on.  [default: the run's; for a pack datasets/NAME]",
)
@click.option(
    "-o",
    "--output",
    type=PATH,
    help="The audition's folder; replaced as a whole.  [default: RUN/audition, auditions/PACK]",
)
@click.option(
    "--clips",
    type=click.IntRange(2),
    default=256,
    show_default=True,
    help="Clips to compare, real and generated; at most as many as are held out.",
)
@click.option(
    "--loops",
    type=click.IntRange(2),
    default=1000,
    show_default=True,
    help="Loops of random z, and as many of composed faces, to search for whistles and rests.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(1, 3600),
    default=60,
    show_default=True,
    help="Length of each sound file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON and nothing else.")
@seed_option(0)
def audition(
    *,
    subject: Path,
    named: Path | None,
    output: Path | None,
    clips: int,
    loops: int,
    seconds: float,
    as_json: bool,
    seed: int,
) -> None:
    """Compare generated clips with real ones: plots, sound and figures.

    Writes a folder with index.html, its plots, real.wav, generated.wav,
    figures.json and truncation.csv. Prints the figures and a verdict, which names what fails.
    The exit code is 0 whatever the figures.
    Without its dataset a pack is auditioned alone.
    """
    from latent_resonance_export.audition.run import PAGE, json_of
    from latent_resonance_export.audition.run import audition as run_audition
    from latent_resonance_export.audition.subject import dataset_of, default_folder, open_subject
    from latent_resonance_export.audition.summary import lines, table
    from latent_resonance_export.audition.truncation import FACES, as_text
    from latent_resonance_export.audition.verdict import verdict

    opened = open_subject(subject)
    dataset, folder = dataset_of(opened, named), output or default_folder(opened)
    if dataset is None:
        where = opened.trained_on.get("folder") or "a known path"
        click.echo(
            f"there is no dataset at {where}: name it by --dataset for the figures that need it",
            err=True,
        )
    with stages() as show:
        measurements, rows = run_audition(
            opened,
            dataset,
            folder,
            clips=clips,
            loops=loops,
            seconds=seconds,
            seed=seed,
            progress=show,
        )
    if as_json:
        click.echo(json_of(measurements), nl=False)
        return
    click.echo(table(lines(measurements.figures, measurements.why_missing)))
    if rows:
        click.echo(f"\ncalm to wild (latent.truncation), of {FACES} faces or fewer:")
        click.echo(as_text(rows))
    click.echo(f"\n{verdict(measurements.figures)}\n{folder / PAGE}")
