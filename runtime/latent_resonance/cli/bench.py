"""The command `latent-resonance bench`: what to measure, the table, the answer that is kept."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latent_resonance import LatentResonanceError
from latent_resonance.bench import FAMILIES, measure_family
from latent_resonance.cli.options import NEW_FILE, config_option, pack_option, require_distinct
from latent_resonance.cli.terminal import log
from latent_resonance.config.load import read_settings

if TYPE_CHECKING:
    from latent_resonance.bench.context import Context
    from latent_resonance.bench.measurement import Measurement

SECONDS = 10
CLIP = click.Path(exists=True, dir_okay=False, path_type=Path)
HELP = """\
Measure this machine: every performance target, and more.

NAME is one of {names}; without one, all of them are measured, which takes two minutes. The
exit code is 1 if a target is missed.

"processes" and "motion" run the instrument: stop one that is playing, and expect sound. The eye
sees a synthetic face; for "eye" and "processes" --clip names a video of a real face instead.
"motion" measures at least twelve gestures, one a second; without a loudspeaker a clock replaces
it, which "output" shows.

"quality" also saves its answer, which "quality: auto" in the settings uses from the next start
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
    help="Longest duration of one measurement, in seconds.",
)
@click.option(
    "--json", "file", type=NEW_FILE, metavar="FILE", help="Also write the measurements as JSON."
)
@click.option("--clip", type=CLIP, metavar="FILE", help="A video of a face, for the eye.")
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
    require_distinct(clip, file, config)
    settings = read_settings(config, pack)
    from latent_resonance.bench.context import Context
    from latent_resonance.bench.table import summary, table_lines

    context = Context(settings, float(seconds), clip)
    measurements, failed = measure_families(names or tuple(FAMILIES), context)
    for line in table_lines(measurements):
        click.echo(line)
    click.echo(summary(measurements))
    if file is not None:
        write_json(file, measurements)
    save_quality(measurements)
    sys.exit(int(failed or any(measurement.ok is False for measurement in measurements)))


def measure_families(families: tuple[str, ...], context: Context) -> tuple[list[Measurement], bool]:
    """(measurements of some families, whether one of them could not be measured)."""
    measurements: list[Measurement] = []
    failed = False
    for family in dict.fromkeys(families):
        log(f"measuring {family}")
        try:
            measurements += measure_family(family, context)
        except LatentResonanceError as error:
            log(f"{family}: {error}")
            failed = True
    return measurements, failed


def write_json(path: Path, measurements: list[Measurement]) -> None:
    """Write a list of {name, value, unit, target, ok}.

    Raises
    ------
    OutputFileError
        It cannot be written.
    """
    from latent_resonance.linux.atomic_file import atomic_path

    content = json.dumps([each.as_dict() for each in measurements], indent=2, ensure_ascii=False)
    with atomic_path(path) as beside:
        beside.write_text(content + "\n", encoding="utf-8")


def save_quality(measurements: list[Measurement]) -> None:
    """Save the best quality of this machine, if it was measured.

    Raises
    ------
    OutputFileError
        It cannot be written.
    """
    from latent_resonance.bench import quality

    for measurement in measurements:
        if measurement.name == quality.ANSWER:
            answer = str(measurement.value)
            path = quality.save_quality(answer)
            log(f"`quality: auto` plays {answer} from the next start on: {path}")
