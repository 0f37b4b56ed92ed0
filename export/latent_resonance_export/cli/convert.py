"""`convert`: a run, or a generator that was trained elsewhere, becomes a pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latent_resonance_export.cli.terminal import FOLDER, seed_option, stages

if TYPE_CHECKING:
    from latent_resonance_export.pack.writer import Converted, Progress, Wishes

HELP = """\
Write the pack of RUN, after train-gan and train-regressor, as ONNX files.

Nothing is written unless PyTorch and ONNX Runtime agree to 0.0001 on 64 random z. The
pack is then auditioned beside the held-out clips (some minutes; --quick leaves that out),
and its model card shows the figures. An older pack of that name is replaced in one step.

\b
A generator that was trained elsewhere comes by its code and its weights:
  latent-resonance-export convert --checkpoint model.pt \\
      --factory package.module:function --dataset datasets/mine -o models/mine
The function makes the network; it takes z and draws pictures. Their rows are
read as mel bands from low to high, their columns as time, their values as
decibels from the lowest to the highest. Of two channels the first is taken,
three are averaged. The pictures are resampled to the geometry, and if their
ends do not meet, the last eighth is cross-faded into the beginning. A
regressor is trained for it.
"""


def outside_options(command: Callable[..., None]) -> Callable[..., None]:
    """What only a generator that was trained elsewhere needs."""
    options = (
        click.option("--checkpoint", type=FOLDER, help="Weights of a generator trained elsewhere."),
        click.option(
            "--factory", help="Its code: package.module:function, called without anything."
        ),
        click.option(
            "--trust", is_flag=True, help="Open a checkpoint that runs code: it may harm."
        ),
        click.option(
            "--geometry",
            "geometry_file",
            type=FOLDER,
            help="YAML with the geometry, if there is no dataset.  [default: the runtime's own]",
        ),
        click.option("--latent-dim", type=click.IntRange(1, 65_536), help="If it does not tell."),
        click.option("--channel", type=click.IntRange(0), help="Of the picture, from 0."),
        click.option("--upside-down", is_flag=True, help="Its first row is the highest band."),
        click.option(
            "--range",
            "value_range",
            type=float,
            nargs=2,
            metavar="LOW HIGH",
            help="Its values for silence and for full level.  [default: found out]",
        ),
        seed_option(0),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command(help=HELP, short_help="Write a run, or a GAN from elsewhere, as a pack.")
@click.argument("run", type=FOLDER, required=False)
@click.option("-o", "--output", type=FOLDER, required=True, help="The pack's folder, models/NAME.")
@click.option("--dataset", type=FOLDER, help="Its dataset.  [default: where the run had it]")
@click.option("--name", help="The pack's name.  [default: its folder's]")
@click.option("--licence", help="Of the pack.  [default: all licences of the dataset's clips]")
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(["fp32", "fp16", "int8"]),
    multiple=True,
    help="Also write the generator so, if that pays: at most 1 dB of log-spectral distance, and "
    "1.2 times as fast or half the size.  May be given twice.",
)
@click.option("--quick", is_flag=True, help="Leave out the audition.")
@outside_options
def convert(
    *,
    run: Path | None,
    output: Path,
    dataset: Path | None,
    checkpoint: Path | None,
    factory: str | None,
    **options: Any,  # the rest of click's options
) -> None:
    """See HELP; click shows that."""
    refuse_half_a_command(run, checkpoint, factory, options)
    if dataset and options["geometry_file"]:
        raise click.UsageError("--geometry is for want of a --dataset, which has its own")
    from latent_resonance_export.pack.convert import Wishes, convert_run

    wishes = Wishes(
        name=options["name"],
        licence=options["licence"],
        precisions=tuple(p for p in dict.fromkeys(options["precisions"]) if p != "fp32"),
        audition=not options["quick"],
    )
    with stages() as show:
        if run is not None:
            converted = convert_run(run, output, wishes, dataset, show)
        else:
            named = {"checkpoint": checkpoint, "factory": factory}
            converted = _from_outside(output, wishes, dataset, show, named | options)
    tell(converted, output)


def refuse_half_a_command(
    run: Path | None, checkpoint: Path | None, factory: str | None, options: dict[str, Any]
) -> None:
    """Either a run, or a checkpoint and its factory."""
    if (run is None) == (checkpoint is None):
        raise click.UsageError("name either a RUN or --checkpoint FILE with --factory")
    if (checkpoint is None) != (factory is None):
        raise click.UsageError("--checkpoint and --factory belong together")
    foreign = ("geometry_file", "latent_dim", "channel", "upside_down", "value_range", "trust")
    named = [key for key in foreign if options[key] is not None and options[key] is not False]
    if run is not None and named:
        option = {"geometry_file": "geometry", "value_range": "range"}.get(named[0], named[0])
        raise click.UsageError(f"--{option.replace('_', '-')} goes with --checkpoint, not a RUN")
    if options["value_range"] and options["value_range"][0] >= options["value_range"][1]:
        raise click.BadParameter("LOW should be below HIGH", param_hint="--range")


def _from_outside(
    output: Path,
    wishes: Wishes,
    dataset: Path | None,
    progress: Progress,
    options: dict[str, Any],
) -> Converted:
    from latent_resonance_export.dataset.settings import read_geometry
    from latent_resonance_export.pack.adapter import Reading
    from latent_resonance_export.pack.convert import Outside, convert_outside

    if options["trust"]:
        click.echo(f"warning: {options['checkpoint']} may run code of its own (--trust)", err=True)
    keys = ("latent_dim", "channel", "upside_down", "value_range")
    outside = Outside(
        options["checkpoint"],
        options["factory"],
        Reading(**{key: options[key] for key in keys}),
        trust=options["trust"],
        seed=options["seed"],
    )
    file = options["geometry_file"]
    geometry = read_geometry(file) if file else None
    return convert_outside(outside, output, wishes, dataset, geometry, progress)


def tell(converted: Converted, output: Path) -> None:
    """The figures of the card, and what became of each precision."""
    click.echo(f"{output}: {converted.sheet['name']}, {converted.sheet['licence']}")
    for key, value in converted.sheet["quality"].items():
        click.echo(f"  {key}: {value}")
    for v in converted.variants:
        click.echo(
            f"{v.precision} {'written' if v.pays else 'does not pay, left out'}: "
            f"{v.log_spectral_distance_db} dB from fp32, {v.milliseconds} ms ({v.times_as_fast} "
            f"times as fast), {v.megabytes} MB ({v.times_the_size} of the size)"
        )
