"""`convert`: converts a run, or a generator trained elsewhere, to a pack."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latent_resonance_export.cli.terminal import PATH, seed_option, stages
from latent_resonance_export.progress import ProgressCallback

if TYPE_CHECKING:
    from latent_resonance_export.pack.writer import ConversionResult, ConvertOptions

HELP = """\
Convert RUN, after train-gan and train-regressor, to a pack of ONNX files.

Nothing is written unless PyTorch and ONNX Runtime agree within 0.0001 on 64 random z.
The pack is then compared with the held-out clips (some minutes; skipped with --quick),
and its model card shows the results. An older pack of that name is replaced in one step.

\b
A generator that was trained elsewhere is given by its code and its weights:
  latent-resonance-export convert --checkpoint model.pt \\
      --factory package.module:function --dataset datasets/mine -o models/mine
The weights are a .pt that torch.save wrote, a .safetensors, or a local Hugging
Face folder with them; what precedes the names of the weights (module.,
generator., netG., ema.) is removed.
A .pkl of StyleGAN2-ADA, or of StyleGAN3 with --cfg=stylegan2, needs no --factory:
its averaged weights are read, and no code in it is executed. Nor does a TorchScript
archive (torch.jit.save): its graph is read by a process with limits, and interpreted.
The function returns the network, which maps z to spectrograms: rows are mel
bands from low to high, columns are time, values are linear in decibels. The
first of two channels is used; three are averaged. The spectrograms are
resampled to the geometry. If the end of a loop does not meet its beginning,
the last eighth is cross-faded into it. A regressor is trained as well; with
--quick briefly, to see whether the network fits.
"""


EXTERNAL_OPTIONS = (
    click.option("--checkpoint", type=PATH, help="Weights of a generator trained elsewhere."),
    click.option("--factory", help="Its code: package.module:function, called without arguments."),
    click.option(
        "--truncation",
        type=click.FloatRange(0, 2),
        help="Calm to wild: distance of z from the neutral face's, as latent.truncation of the "
        "settings, which can change it; of a StyleGAN file its psi, fixed.  [default: 1]",
    ),
    click.option(
        "--trust", is_flag=True, help="Open the checkpoint even if that executes its code."
    ),
    click.option(
        "--geometry",
        "geometry_file",
        type=PATH,
        help="YAML with the geometry, without a --dataset.  [default: the runtime's]",
    ),
    click.option(
        "--latent-dim",
        type=click.IntRange(1, 65_536),
        help="Length of z.  [default: read from the network]",
    ),
    click.option("--channel", type=click.IntRange(0), help="Channel of its output to use, from 0."),
    click.option("--upside-down", is_flag=True, help="Its first row is the highest band."),
    click.option(
        "--range",
        "value_range",
        type=float,
        nargs=2,
        metavar="LOW HIGH",
        help="Its values for silence and for full level.  [default: estimated]",
    ),
    seed_option(0),
)


def external_options(command: Callable[..., None]) -> Callable[..., None]:
    """Adds the options for a generator that was trained elsewhere."""
    for option in reversed(EXTERNAL_OPTIONS):
        command = option(command)
    return command


@click.command(help=HELP, short_help="Convert a run, or another GAN, to a pack.")
@click.argument("run", type=PATH, required=False)
@click.option("-o", "--output", type=PATH, required=True, help="The pack's folder, models/NAME.")
@click.option("--dataset", type=PATH, help="Its dataset.  [default: the path stored in the run]")
@click.option("--name", help="The pack's name.  [default: its folder's name]")
@click.option(
    "--licence", help="The pack's licence.  [default: all licences of the dataset's clips]"
)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(["fp32", "fp16", "int8"]),
    multiple=True,
    help="Also write the generator at this precision if it is worthwhile: at most 1 dB of "
    "log-spectral distance, and 1.2 times as fast or half the size.  Repeatable.",
)
@click.option("--quick", is_flag=True, help="Skip the audition, and train a regressor briefly.")
@external_options
def convert(
    *,
    run: Path | None,
    output: Path,
    dataset: Path | None,
    checkpoint: Path | None,
    factory: str | None,
    **arguments: Any,  # all other options
) -> None:
    """See HELP; click shows that."""
    check_arguments(run, checkpoint, factory, arguments)
    if dataset and arguments["geometry_file"]:
        raise click.UsageError("--geometry and --dataset exclude each other: a dataset has its own")
    from latent_resonance_export.pack.convert import convert_run
    from latent_resonance_export.pack.foreign.external_generator import has_own_truncation
    from latent_resonance_export.pack.writer import ConvertOptions

    truncation = 1.0 if arguments["truncation"] is None else arguments["truncation"]
    in_network = checkpoint is not None and has_own_truncation(checkpoint, factory)
    options = ConvertOptions(
        name=arguments["name"],
        licence=arguments["licence"],
        precisions=tuple(p for p in dict.fromkeys(arguments["precisions"]) if p != "fp32"),
        audition=not arguments["quick"],
        truncation=1.0 if in_network else truncation,
    )
    with stages() as show:
        if run is not None:
            result = convert_run(run, output, options, dataset, show)
        else:
            arguments |= {"checkpoint": checkpoint, "factory": factory}
            arguments["truncation"] = truncation if in_network else 1.0
            result = _convert_external(output, options, dataset, show, arguments)
    print_result(result, output)


def check_arguments(
    run: Path | None, checkpoint: Path | None, factory: str | None, arguments: dict[str, Any]
) -> None:
    """Requires either a run, or a checkpoint."""
    if (run is None) == (checkpoint is None):
        raise click.UsageError("name either a RUN or --checkpoint FILE with --factory")
    if checkpoint is None and factory is not None:
        raise click.UsageError("--factory goes with --checkpoint FILE")
    external = ("geometry_file", "latent_dim", "channel", "upside_down", "value_range", "trust")
    given = [key for key in external if arguments[key] is not None and arguments[key] is not False]
    if run is not None and given:
        option = {"geometry_file": "geometry", "value_range": "range"}.get(given[0], given[0])
        raise click.UsageError(f"--{option.replace('_', '-')} goes with --checkpoint, not a RUN")
    if arguments["value_range"] and arguments["value_range"][0] >= arguments["value_range"][1]:
        raise click.BadParameter("LOW should be below HIGH", param_hint="--range")


def _convert_external(
    output: Path,
    options: ConvertOptions,
    dataset: Path | None,
    progress: ProgressCallback,
    arguments: dict[str, Any],
) -> ConversionResult:
    from latent_resonance_export.dataset.settings import read_geometry
    from latent_resonance_export.pack.convert import ExternalGenerator, convert_external
    from latent_resonance_export.pack.foreign.adapter import AdapterOptions

    if arguments["trust"]:
        click.echo(f"warning: {arguments['checkpoint']} may execute code (--trust)", err=True)
    keys = ("latent_dim", "channel", "upside_down", "value_range")
    external = ExternalGenerator(
        arguments["checkpoint"],
        arguments["factory"],
        AdapterOptions(**{key: arguments[key] for key in keys}),
        trust=arguments["trust"],
        seed=arguments["seed"],
        truncation=arguments["truncation"],
        quick=not options.audition,
    )
    file = arguments["geometry_file"]
    geometry = read_geometry(file) if file else None
    return convert_external(external, output, options, dataset, geometry, progress)


def print_result(result: ConversionResult, output: Path) -> None:
    """Prints the measurements of the card, and the result for each precision."""
    click.echo(f"{output}: {result.manifest['name']}, {result.manifest['licence']}")
    if weights := result.manifest["training"].get("weights"):
        click.echo(f"  weights: {weights}")
    for key, value in result.manifest["quality"].items():
        click.echo(f"  {key}: {value}")
    for v in result.variants:
        click.echo(
            f"{v.precision} {'written' if v.is_worthwhile else 'not worthwhile, not written'}: "
            f"{v.log_spectral_distance_db} dB from fp32, {v.milliseconds} ms ({v.times_as_fast} "
            f"times as fast), {v.megabytes} MB ({v.times_the_size} times the size)"
        )
