"""The command `latent-resonance bench`: what to measure, the table, the answer that is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latent_resonance import LatentResonanceError
from latent_resonance.bench import FAMILIES, figures_of
from latent_resonance.cli.options import NEW_FILE, config_option, keep_apart, pack_option
from latent_resonance.cli.terminal import log
from latent_resonance.config.load import read_settings

if TYPE_CHECKING:
    from latent_resonance.bench.context import Subject
    from latent_resonance.bench.measurement import Figure

SECONDS = 10
FILM = click.Path(exists=True, dir_okay=False, path_type=Path)
HELP = """\
Measure this machine: every figure that the instrument owes, and more.

NAME is one of {names}; without one, all of them are measured, which takes two minutes. Where
a figure owed is missed, the exit code is 1.

For "processes" and "motion" the instrument really performs: stop one that plays, and expect
sound. The face that the eye follows is a drawn one; for "eye" and "processes" --clip names a film
of a real face instead. "motion" takes twelve gestures at least, one a second; without a speaker a
clock stands in for it, and "heard_at" says so.

"quality" also keeps its answer, and "quality: auto" in the settings plays so from the next start
on: as root for the whole machine, otherwise for this user.

\b
Examples:
  latent-resonance bench
  latent-resonance bench quality
  latent-resonance bench voice phase --seconds 3 --json figures.json
  latent-resonance bench eye processes --clip face.mp4
  latent-resonance bench motion --seconds 200
"""


@click.command(
    short_help="Measure this machine, and what quality it can play.",
    help=HELP.format(names=", ".join(FAMILIES)),
)
@click.argument("names", nargs=-1, type=click.Choice(list(FAMILIES)), metavar="[NAME]...")
@click.option(
    "--seconds",
    type=click.IntRange(1, 3600),
    default=SECONDS,
    show_default=True,
    metavar="N",
    help="Seconds for one measurement at most.",
)
@click.option(
    "--json", "file", type=NEW_FILE, metavar="FILE", help="Also write the figures for programs."
)
@click.option("--clip", type=FILM, metavar="FILE", help="A film of a face, for the eye.")
@pack_option
@config_option
def bench(
    names: tuple[str, ...],
    seconds: int,
    file: Path | None,
    clip: Path | None,
    pack: str | None,
    config: Path | None,
) -> None:
    """See HELP; click shows that."""
    keep_apart(clip, file, config)
    settings = read_settings(config, pack)
    from latent_resonance.bench.context import Subject
    from latent_resonance.bench.table import lines, verdict

    subject = Subject(settings, float(seconds), clip)
    figures, failed = measured(names or tuple(FAMILIES), subject)
    for line in lines(figures):
        click.echo(line)
    click.echo(verdict(figures))
    if file is not None:
        write_json(file, figures)
    keep_answer(figures)
    sys.exit(int(failed or any(figure.ok is False for figure in figures)))


def measured(families: tuple[str, ...], subject: Subject) -> tuple[list[Figure], bool]:
    """(the figures of some families, whether one of them could not be measured)."""
    figures: list[Figure] = []
    failed = False
    for family in dict.fromkeys(families):
        log(f"measuring {family}")
        try:
            figures += figures_of(family, subject)
        except LatentResonanceError as error:
            log(f"{family}: {error}")
            failed = True
    return figures, failed


def write_json(path: Path, figures: list[Figure]) -> None:
    """A list of {name, value, unit, owed, ok}.

    Raises
    ------
    OutputFileError
        It cannot be written.
    """
    from latent_resonance.audio.wav import written_beside

    content = json.dumps([figure.as_dict() for figure in figures], indent=2, ensure_ascii=False)
    with written_beside(path) as beside:
        beside.write_text(content + "\n", encoding="utf-8")


def keep_answer(figures: list[Figure]) -> None:
    """Keeps what quality this machine is fit for, if that was measured.

    Raises
    ------
    OutputFileError
        It cannot be kept.
    """
    from latent_resonance.bench.quality import ANSWER, keep

    for figure in figures:
        if figure.name == ANSWER:
            log(
                f"`quality: auto` plays {figure.value} from the next start on: {keep(figure.value)}"
            )
