"""`curate`: makes a dataset of recordings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from latent_resonance_export.cli.terminal import PATH, seed_option, stages

if TYPE_CHECKING:
    from latent_resonance_export.dataset.result import CurationResult

HELP = """Make a dataset of looping spectrograms from a folder of recordings.

Reads whatever libsndfile or ffmpeg (if it is installed) can decode, by content and not by name,
at any sample rate, in nested folders; hidden files and links are skipped. Channels are averaged;
where they cancel, the loudest is taken. Each clip becomes a loop: its end is cross-faded into
its beginning. A recording shorter than a loop, but not than --shortest, is sustained:
overlapping copies of it fill the loop. --one-shots makes loops of even shorter ones.

Silence, clipping, noise (which networks cannot learn), sounds below or above all bands,
near-duplicates and broken files are rejected. DATASET/report.html shows and plays what was
kept, what was rejected, and why; files.csv lists every file of the folder, rejected.csv every
rejection.

Author and licence of a recording are read from a sidecar (take.wav.license: SPDX lines as in
REUSE, or licence and author on two lines), from LICENSES.csv (columns file, licence, author;
file may be a pattern such as birds/*.wav), or from its own tags.

After an interruption, run the same command again to resume.
"""


class Number(click.FloatRange):
    """A range that excludes NaN."""

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Implements click's ParamType."""
        number = float(super().convert(value, param, ctx))  # type: ignore[arg-type]  # also text
        if math.isnan(number):
            self.fail(f"{value} should be a number", param, ctx)
        return number


class ChannelChoice(click.ParamType[str]):
    """`auto`, `mean`, or a number from 1."""

    name = "auto|mean|N"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Implements click's ParamType."""
        if value not in {"auto", "mean"} and not (value.isdecimal() and 1 <= int(value) <= 1024):
            self.fail(f"{value!r} should be auto, mean, or a channel's number from 1", param, ctx)
        return value


@click.command("curate", help=HELP, short_help="Cut a folder of recordings into loops.")
@click.argument("sounds", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="The dataset's folder, a new one.")
@click.option(
    "--cut",
    type=click.Choice(["stride", "onset"]),
    default="stride",
    show_default=True,
    help="Start a loop every --stride seconds, or at onsets.",
)
@click.option(
    "--stride",
    type=Number(0.25, 600),
    default=None,
    show_default="half a loop",
    help="Seconds between the starts of two loops; with --cut onset, the minimum.",
)
@click.option(
    "--shortest",
    type=Number(min=0.0, min_open=True),
    default=None,
    show_default="half a loop",
    help="Minimum length in seconds of a recording that is sustained to fill a loop.",
)
@click.option(
    "--one-shots",
    type=click.Choice(["refuse", "repeat", "hold"]),
    default="refuse",
    show_default=True,
    help="Sounds shorter than --shortest: leave them out, repeat them with small variations until "
    "the loop is full, or hold them as a texture of short grains.",
)
@click.option(
    "--channel",
    type=ChannelChoice(),
    default="auto",
    show_default=True,
    help="Channel of each recording to use: auto (their mean; the loudest if they cancel), mean, "
    "or a number from 1.",
)
@click.option(
    "--peak",
    type=(float, float),
    default=(-9.0, 0.0),
    show_default=True,
    metavar="LOW HIGH",
    help="Level in dB of a loop's loudest band, random within this range.",
)
@click.option(
    "--max-flatness",
    type=Number(-100, 0),
    default=-7.0,
    show_default=True,
    help="Spectral flatness in dB above which a clip is noise: noise is near -2.5, drums about "
    "-9, speech about -12, a cello below -20.",
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
    type=PATH,
    metavar="FILE.yaml",
    help="Sample rate, hop length, bands and so on, if not the defaults: any keys of `geometry` "
    "in a pack.yaml.",
)
@click.option(
    "--held-out",
    type=Number(0, 0.5, min_open=True),
    default=1 / 9,
    show_default="a ninth",
    help="Share of the loops that are never trained on, which audition compares with: the end of "
    "each recording; of short ones whole recordings, where their folder has others.",
)
@click.option("--sounds", "about", help="Description of the sounds, for the model card.")
@click.option("--licence", default="", help="Licence of recordings whose licence is unknown.")
@click.option(
    "--jobs",
    type=click.IntRange(1, 512),
    show_default="all cores",
    help="Number of worker processes.",
)
@seed_option(7)
def curate(
    *,
    sounds: Path,
    output: Path,
    cut: str,
    stride: float | None,
    shortest: float | None,
    one_shots: str,
    channel: str,
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
    """See HELP; click shows that."""
    if not -60 <= peak[0] <= peak[1] <= 0:
        raise click.BadParameter(f"{peak[0]:g} {peak[1]:g} should be LOW <= HIGH, -60 to 0 dB")
    from latent_resonance.audio.spectrogram import Geometry
    from latent_resonance_export.dataset.curate import curate as make_dataset
    from latent_resonance_export.dataset.rejection import Limits
    from latent_resonance_export.dataset.settings import CurationSettings, read_geometry
    from latent_resonance_export.dataset.worker_pool import available_cores

    settings = CurationSettings(
        geometry=read_geometry(geometry_file) if geometry_file else Geometry(),
        cut=cut,
        stride_s=stride,
        shortest_s=shortest,
        peak_db=peak,
        limits=Limits(min_level, max_clipped, max_flatness),
        channel=channel,
        one_shots=one_shots,
        seed=seed,
    )
    with stages(at_begin=False) as show:
        result = make_dataset(
            sounds,
            output,
            settings,
            about=about,
            licence=licence,
            share_held_out=held_out,
            min_difference_db=min_difference,
            jobs=jobs or available_cores(),
            progress=show,
        )
    print_result(result, output)


def print_result(result: CurationResult, output: Path) -> None:
    """Prints the result in two or three lines, then the warnings."""
    from latent_resonance_export.dataset.rejection import group_by_reason
    from latent_resonance_export.dataset.report.advice import laid_out_share, warnings_of

    held_out, loop_s = len(result.clips) - result.n_training, result.settings.geometry.loop_s
    click.echo(
        f"{output}: {result.n_training} loops of {loop_s:.2f} s, and {held_out} held out, from "
        f"{result.read_s / 60:.1f} minutes in {len(result.recordings)} recordings"
    )
    rejected = ", ".join(
        f"{len(group)} {reason.label}" for reason, group in group_by_reason(result.rejected)
    )
    click.echo(f"rejected: {rejected or 'nothing'}; see {output / 'report.html'}")
    if laid_out := laid_out_share(result.clips):
        click.echo(f"{laid_out:.0%} of the loops are laid out from shorter sounds")
    for warning in warnings_of(result):
        click.echo(warning, err=True)
