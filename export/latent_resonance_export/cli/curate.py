"""`curate`: an artist's recordings become a dataset."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latent_resonance_export.cli.terminal import FOLDER, progress_bar, seed_option

if TYPE_CHECKING:
    from latent_resonance_export.dataset.report import Curated

PAGE = """Make a dataset of looping spectrograms from a folder of recordings.

Reads wav, flac, ogg, mp3 and aiff of any rate and number of channels (which are averaged), in
nested folders; hidden files and links are left out. Each clip becomes a loop: its end fades
into its beginning. A recording shorter than a loop, but not than --shortest, is sustained:
copies of it fade into each other until the loop is full.

Refused, with the reason, are: silence, clipping, DC, noise (which networks cannot learn),
near-duplicates, broken files. DATASET/report.html shows what was kept and what was not.

Whose a recording is and under which licence is taken from a sidecar (take.wav.license: SPDX
lines as REUSE has them, or licence and author in two lines), from LICENSES.csv (columns file,
licence, author; file may be a pattern such as birds/*.wav), or from its own tags.

Stopped by whatever, the same command goes on where it was.
"""


class Number(click.FloatRange):
    """A range that "not a number" is outside of."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See click."""
        number = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value} should be a number", param, ctx)
        return number


@click.command("curate", help=PAGE, short_help="Cut a folder of recordings into loops.")
@click.argument("sounds", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="The dataset's folder; made anew.")
@click.option(
    "--cut",
    type=click.Choice(["stride", "onset"]),
    default="stride",
    show_default=True,
    help="Begin a loop every --stride seconds, or where a sound begins.",
)
@click.option(
    "--stride",
    type=Number(0.25, 600),
    default=None,
    show_default="half a loop",
    help="Seconds between the beginnings of two loops; with --cut onset, the least.",
)
@click.option(
    "--shortest",
    type=Number(min=0.0, min_open=True),
    default=None,
    show_default="half a loop",
    help="Seconds of the shortest recording that is sustained to fill a loop.",
)
@click.option(
    "--peak",
    type=(float, float),
    default=(-9.0, 0.0),
    show_default=True,
    metavar="LOW HIGH",
    help="Level in dB of a loop's loudest band, drawn between the two; twice the same fixes it.",
)
@click.option(
    "--max-flatness",
    type=Number(-100, 0),
    default=-7.0,
    show_default=True,
    help="Flatness in dB above which a clip is noise: noise is near -2.5, drums about -9, "
    "speech about -12, a cello below -20.",
)
@click.option(
    "--min-level",
    type=Number(-120, 0),
    default=-60.0,
    show_default=True,
    help="RMS level in dB below which a clip is silence.",
)
@click.option(
    "--max-clipped",
    type=Number(0, 1),
    default=0.0005,
    show_default=True,
    help="Share of a clip's samples that may be clipped.",
)
@click.option(
    "--min-difference",
    type=Number(min=0),
    default=0.5,
    show_default=True,
    help="Difference in dB (RMS over bands and time) below which a clip is a near-duplicate.",
)
@click.option(
    "--geometry",
    "geometry_file",
    type=FOLDER,
    metavar="FILE.yaml",
    help="Sample rate, hop, bands and so on, if not the default: any of the keys of "
    "`geometry` in a pack.yaml.",
)
@click.option(
    "--held-out",
    type=Number(0, 0.5, min_open=True),
    default=1 / 9,
    show_default="a ninth",
    help="Share of the loops that are never trained on, for audition to compare with: whole "
    "recordings if there are enough, else the end of each.",
)
@click.option("--sounds", "about", help="Whose sounds these are, for the model card.")
@click.option("--licence", default="", help="Licence of recordings of which none is known.")
@click.option(
    "--jobs", type=click.IntRange(1, 512), show_default="all cores", help="Processes at work."
)
@seed_option(7)
def curate(
    *,
    sounds: Path,
    output: Path,
    cut: str,
    stride: float | None,
    shortest: float | None,
    peak: tuple[float, float],
    max_flatness: float,
    min_level: float,
    max_clipped: float,
    min_difference: float,
    geometry_file: Path | None,
    held_out: float,
    about: str | None,
    licence: str,
    jobs: int | None,
    seed: int,
) -> None:
    """See PAGE; click shows that."""
    if not -60 <= peak[0] <= peak[1] <= 0:
        raise click.BadParameter(f"{peak[0]:g} {peak[1]:g} should be LOW <= HIGH, -60 to 0 dB")
    from latent_resonance.audio.spectrogram import Geometry
    from latent_resonance_export.dataset.curate import curate as make_dataset
    from latent_resonance_export.dataset.rejection import Limits
    from latent_resonance_export.dataset.settings import Cutting, read_geometry
    from latent_resonance_export.dataset.worker_pool import cores

    cutting = Cutting(
        geometry=read_geometry(geometry_file) if geometry_file else Geometry(),
        cut=cut,
        stride_s=stride,
        shortest_s=shortest,
        peak_db=peak,
        limits=Limits(min_level, max_clipped, max_flatness),
        seed=seed,
    )
    with progress_bar() as bar:
        stages = {s: bar.add_task(s, total=None) for s in ("opening", "listening")}
        curated = make_dataset(
            sounds,
            output,
            cutting,
            about=about,
            licence=licence,
            share_held_out=held_out,
            min_difference_db=min_difference,
            jobs=jobs or cores(),
            tell=lambda stage, done, n: bar.update(stages[stage], completed=done, total=n),
        )
    _log(curated, output)


def _log(curated: Curated, output: Path) -> None:
    """What became of it, in two or three lines."""
    from latent_resonance_export.dataset.rejection import by_reason
    from latent_resonance_export.dataset.report import FEW

    held_out, loop_s = len(curated.clips) - curated.n_training, curated.cutting.geometry.loop_s
    click.echo(
        f"{output}: {curated.n_training} loops of {loop_s:.2f} s, and {held_out} held out, from "
        f"{curated.heard_s / 60:.1f} minutes in {len(curated.recordings)} recordings"
    )
    refused = ", ".join(f"{len(some)} {reason.word}" for reason, some in by_reason(curated.refused))
    click.echo(f"refused: {refused or 'nothing'}; see {output / 'report.html'}")
    if curated.n_training < FEW:
        click.echo(
            f"{curated.n_training} loops are few: a network tends to learn fewer than {FEW} by "
            "heart; add recordings, or use a smaller --stride",
            err=True,
        )
