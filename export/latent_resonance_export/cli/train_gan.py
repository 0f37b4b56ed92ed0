"""`train-gan`: a dataset in, a run out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latent_resonance_export.cli.terminal import CONSOLE, FOLDER, progress_bar

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from latent_resonance_export.dataset.dataset import Dataset
    from latent_resonance_export.gan.early_stopping import Goal
    from latent_resonance_export.gan.run import RunSheet
    from latent_resonance_export.gan.train import Ended

HELP = """\
Train a generator on DATASET, on a GPU if there is one.

\b
Every 200 steps the run is saved and looked at:
  RUN/checkpoint.pt   all that is needed to go on
  RUN/sheet-*.png     real clips, the same re-created, and new ones
  RUN/metric.png      the distance (swd) from clips held out of training; the
                      dashed line is what real clips have among themselves
  RUN/log.jsonl       every figure; RUN/tensorboard too, if it is installed

Ctrl-C finishes the step and saves; the same command goes on exactly there, with more
--steps if you like. After kill -9 or a power cut it goes on from the last checkpoint. The
architecture, the batch and the dataset stay those that the run was begun with.

\b
Architectures:
  loop        mel bands as channels, convolutions over time, an encoder beside
              it: the default, and the quickest to sound right
  dcgan       the classic baseline (Radford 2016), transposed convolutions
  stylegan2   mapping network, modulated convolutions, noise (Karras 2020)
  PACKAGE.MODULE:FACTORY
              your own: a function that is given the geometry (n_mels, n_frames,
              …) and returns a torch.nn.Module with an attribute latent_dim that
              draws z (batch, latent_dim) as (batch, 1, n_mels, n_frames) within
              [-1, 1]; looked for in the working folder too. The default's
              critics teach it.
"""


@click.command("train-gan", help=HELP, short_help="Train the generator; goes on where it was.")
@click.argument("folder", metavar="DATASET", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="The run; resumed if it exists.")
@click.option(
    "--architecture",
    metavar="NAME",
    help="loop, dcgan, stylegan2, or package.module:factory.  [default: the run's, else loop]",
)
@click.option(
    "--begin-from",
    metavar="RUN|PACK",
    type=FOLDER,
    help="Begin a new run with what another run, or a pack such as models/cello, has learnt, "
    "on other clips of the same geometry: far fewer steps, or clips, will do.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=15_000,
    show_default=True,
    help="Train until this step, counted from the run's beginning.",
)
@click.option(
    "--until-plateau",
    is_flag=True,
    help="Stop sooner, when swd has not fallen by 2 % of its best within --patience steps.",
)
@click.option(
    "--patience",
    type=click.IntRange(200),
    default=3000,
    show_default=True,
    help="Steps that --until-plateau waits for something better.",
)
@click.option(
    "--settle",
    metavar="STEP",
    type=click.IntRange(0),
    help="From here on the learning rates halve every 2000 steps: half of --steps, or later. A "
    "run may go on with another.  [default: the run's, else 8000]",
)
@click.option(
    "--turn/--no-turn",
    default=None,
    help="Turn each clip by a random number of frames, for a loop has no beginning: rhythms "
    "differ, and nothing is heard at the loop point. --no-turn suits phrases composed to begin "
    "at the first frame.  [default: the run's, else --turn]",
)
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(4),
    help="Clips a step, over all devices.  [default: the run's, else 16]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to train; auto takes a GPU if there is one.",
)
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="So many GPUs (or processes on the CPU) share each batch.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    default="auto",
    show_default=True,
    help="auto is bf16 where the machine computes in it, else fp32.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    help="The same seed, the same result; a run may go on with another.  "
    "[default: the run's, else 0]",
)
def train_gan(*, folder: Path, output: Path, **options: Any) -> None:
    """See HELP; click shows that."""
    batch_size = options["batch_size"]
    if batch_size and batch_size % (group := 4 * options["devices"]):
        raise click.BadParameter(
            f"{batch_size} is not a multiple of {group}: the critics compare clips in fours",
            param_hint="--batch",
        )
    from latent_resonance_export.dataset.dataset import open_dataset
    from latent_resonance_export.gan.device import launch
    from latent_resonance_export.gan.early_stopping import Goal
    from latent_resonance_export.gan.run import taken_up

    dataset = open_dataset(folder)
    sheet = sheet_of(dataset, folder, output, options)
    goal = Goal(options["steps"], options["patience"] if options["until_plateau"] else None)
    with taken_up(output, sheet):
        ended = launch(
            work,
            *(folder, output, sheet, goal),
            device=options["device"],
            n_devices=options["devices"],
            precision=options["precision"],
        )
    tell(ended, output)


def sheet_of(dataset: Dataset, folder: Path, output: Path, options: dict[str, Any]) -> RunSheet:
    """How the run is begun, or how it was, with what the command line says otherwise.

    Raises
    ------
    ArchitectureError, RunError, PackError
        The dataset or the network cannot be trained, the run's sheet is broken, or what it is
        to begin from does not fit.
    """
    from latent_resonance_export.gan.hyperparameters import read_recipe
    from latent_resonance_export.gan.models.registry import architecture_of, make_generator
    from latent_resonance_export.gan.run import SHEET, RunSheet, read_sheet
    from latent_resonance_export.gan.warm_start import check_ancestor

    begun = read_sheet(output) if (output / SHEET).exists() else None
    architecture = options["architecture"] or (begun.architecture if begun else "loop")
    recipe = read_recipe(begun.recipe) if begun else architecture_of(architecture).recipe
    said = {name: options[name] for name in ("batch_size", "settle", "turn", "seed")}
    recipe = replace(recipe, **{name: value for name, value in said.items() if value is not None})
    make_generator(architecture, dataset.geometry)  # before anything is written
    place, begun_from = str(folder.resolve()), begun.begun_from if begun else None
    sheet = RunSheet(
        architecture, place, dataset.sha256, dataset.geometry, asdict(recipe), begun_from
    )
    if ancestor := options["begin_from"]:
        check_ancestor(ancestor, architecture, dataset.geometry)
        sheet = replace(sheet, begun_from=str(ancestor.resolve()))
    return sheet


def work(fabric: Fabric, folder: Path, output: Path, sheet: RunSheet, goal: Goal) -> Ended:
    """What each process does; the first one shows it."""
    from latent_resonance_export.dataset.dataset import open_dataset
    from latent_resonance_export.gan.hyperparameters import read_recipe
    from latent_resonance_export.gan.models.registry import architecture_of
    from latent_resonance_export.gan.train import Studio, train

    architecture, recipe = architecture_of(sheet.architecture), read_recipe(sheet.recipe)
    ancestor = Path(sheet.begun_from) if sheet.begun_from else None
    studio = Studio(fabric, open_dataset(folder), architecture, recipe, ancestor)
    if not fabric.is_global_zero:
        return train(studio, output, goal)
    with status(goal.steps) as show:
        return train(studio, output, goal, show)


@contextmanager
def status(n_steps: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """A bar on a terminal; elsewhere a line for each checkpoint."""
    if not CONSOLE.is_terminal:
        yield lambda line: print_line(line, n_steps)
        return
    with progress_bar() as bar:
        task = bar.add_task("training", total=n_steps)

        def show(line: dict[str, float]) -> None:
            words = in_words(line) if "seconds_per_step" in line else "training"
            bar.update(task, completed=line["step"], description=words)
            if "swd" in line:
                bar.console.print(f"step {line['step']}: swd {line['swd']:.1f}", highlight=False)

        yield show


def print_line(line: dict[str, float], n_steps: int) -> None:
    """The lines of checkpoints, with the time that is left."""
    if "swd" in line:
        left_min = (n_steps - line["step"]) * line["seconds_per_step"] / 60
        left = f"{left_min // 60:.0f} h {left_min % 60:.0f} min left"
        click.echo(
            f"step {line['step']} of {n_steps}: swd {line['swd']:.1f}, {in_words(line)}, {left}",
            err=True,
        )


def in_words(line: dict[str, float]) -> str:
    """Loss and pace."""
    pace = line["seconds_per_step"]
    speed = f"{1 / pace:.1f} steps/s" if 0 < pace < 1 else f"{pace:.1f} s a step"
    return f"loss {line['generator']:.2f}, {speed}"


def tell(ended: Ended, output: Path) -> None:
    """Where the run stands; 130 if it was stopped."""
    if ended.why == "stopped":
        click.echo(
            f"stopped and saved at step {ended.step}; the same command goes on from there", err=True
        )
        sys.exit(130)
    reason = " (swd falls no more)" if ended.why == "plateau" else ""
    click.echo(f"{output}: step {ended.step}{reason}")
