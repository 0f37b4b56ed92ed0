"""`train-gan`: a dataset in, a run out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from latent_resonance_export.cli.terminal import CONSOLE, PATH, progress_bar

if TYPE_CHECKING:
    from lightning_fabric import Fabric

    from latent_resonance_export.dataset.dataset import Dataset
    from latent_resonance_export.gan.early_stopping import Goal
    from latent_resonance_export.gan.run import RunConfig
    from latent_resonance_export.gan.train import TrainingResult

SOUND_S = 30.0  # of generated clips beside a contact sheet
LINE_INTERVAL_S = 30.0  # between two lines without an evaluation
HELP = """\
Train a generator on DATASET, on a GPU if there is one.

\b
Every 200 steps the run is evaluated; it is saved then, after the first step,
and every five minutes:
  RUN/checkpoint.pt   everything needed to continue
  RUN/sheet-*.png     real clips, their reconstructions, and generated clips
  RUN/sheet-*.mp3     thirty seconds of generated clips, at most once a minute
  RUN/metric.png      the distance (swd) from clips held out of training; the
                      dashed line is the distance among real clips
  RUN/log.jsonl       every figure; RUN/tensorboard too, if it is installed

Ctrl-C finishes the step and saves; the same command continues exactly there, with more
--steps if you like. After kill -9 or a power cut it continues from the last checkpoint. The
architecture, the batch and the dataset of a run cannot change.

\b
Architectures:
  loop        mel bands as channels, convolutions over time, with an encoder:
              the default, and the quickest to sound right; loop-pi5 and
              loop-pi4 (--preset) are narrower, for boards
  dcgan       the classic baseline (Radford 2016), transposed convolutions
  stylegan2   mapping network, modulated convolutions, noise (Karras 2020)
  PACKAGE.MODULE:FACTORY
              your own: a function of the geometry (n_mels, n_frames, …) that
              returns a torch.nn.Module with an attribute latent_dim; it maps
              z (batch, latent_dim) to (batch, 1, n_mels, n_frames) within
              [-1, 1]. The working folder is searched too. It is trained with
              the default's discriminator.
"""


@click.command("train-gan", help=HELP, short_help="Train the generator; continues where it was.")
@click.argument("folder", metavar="DATASET", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="The run; resumed if it exists.")
@click.option(
    "--architecture",
    metavar="NAME",
    help="loop, dcgan, stylegan2, or package.module:factory.  [default: the run's, else loop]",
)
@click.option(
    "--preset",
    type=click.Choice(["pi4", "pi5", "desktop"]),
    help="The widths of loop for the machine that will play: narrower for a Raspberry Pi.",
)
@click.option(
    "--begin-from",
    metavar="RUN|PACK",
    type=PATH,
    help="Begin a new run with the networks of another run, or of a pack such as models/cello, "
    "of the same geometry: far fewer steps, or clips, are needed.",
)
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=15_000,
    show_default=True,
    help="Train up to this step, counted from the run's beginning.",
)
@click.option(
    "--until-plateau",
    is_flag=True,
    help="Stop earlier, when swd has not fallen by 2 % of its best within --patience steps.",
)
@click.option(
    "--patience",
    type=click.IntRange(200),
    default=3000,
    show_default=True,
    help="Steps that --until-plateau waits for an improvement.",
)
@click.option(
    "--settle",
    metavar="STEP",
    type=click.IntRange(0),
    help="From this step on the learning rates halve every 2000 steps: half of --steps, or later. "
    "May change when a run continues.  [default: the run's, else 8000]",
)
@click.option(
    "--turn/--no-turn",
    default=None,
    help="Roll each clip by a random number of frames, because a loop has no beginning: rhythms "
    "differ, and the loop point is inaudible. --no-turn suits phrases composed to begin at the "
    "first frame.  [default: the run's, else --turn]",
)
@click.option(
    "--batch",
    "batch_size",
    type=click.IntRange(4),
    help="Clips per step, over all devices.  [default: the run's, else 16]",
)
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to train; auto uses a GPU if there is one.",
)
@click.option(
    "--devices",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Number of GPUs (or processes on the CPU) that share each batch.",
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "bf16", "fp32"]),
    default="auto",
    show_default=True,
    help="auto is bf16 where the hardware computes in it, else fp32.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    help="The same seed, the same result; may change when a run continues.  "
    "[default: the run's, else 0]",
)
def train_gan(*, folder: Path, output: Path, **options: Any) -> None:
    """See HELP; click shows that."""
    batch_size = options["batch_size"]
    if batch_size and batch_size % (group := 4 * options["devices"]):
        raise click.BadParameter(
            f"{batch_size} is not a multiple of {group}: "
            "the discriminator compares clips in groups of 4",
            param_hint="--batch",
        )
    options["architecture"] = architecture_in(options.pop("preset"), options["architecture"])
    from latent_resonance.pack import why_unplayable
    from latent_resonance_export.dataset.dataset import open_dataset
    from latent_resonance_export.gan.device import launch
    from latent_resonance_export.gan.early_stopping import Goal
    from latent_resonance_export.gan.run import locked_run

    dataset = open_dataset(folder)
    if why := why_unplayable(dataset.geometry):  # older datasets; curate refuses it now
        click.echo(f"no pack can be made of {folder}, only a run to listen to: {why}", err=True)
    config = config_of(dataset, folder, output, options)
    goal = Goal(options["steps"], options["patience"] if options["until_plateau"] else None)
    with locked_run(output, config):
        result = launch(
            train_in_process,
            *(folder, output, config, goal),
            device=options["device"],
            n_devices=options["devices"],
            precision=options["precision"],
        )
    print_result(result, output)


def architecture_in(preset: str | None, architecture: str | None) -> str | None:
    """The architecture that the options name; a preset is one of them, of loop.

    Raises
    ------
    click.UsageError
        They name two.
    """
    if preset is None:
        return architecture
    if architecture is not None:
        raise click.UsageError("--preset sets the widths of loop: leave out --architecture")
    from latent_resonance_export.gan.models.registry import PRESETS

    return PRESETS[preset]


def config_of(dataset: Dataset, folder: Path, output: Path, options: dict[str, Any]) -> RunConfig:
    """The configuration of the run, existing or new, changed by the options given.

    Raises
    ------
    ArchitectureError, RunError, PackError
        The dataset or the network cannot be trained, run.yaml is broken, or the warm start does
        not fit.
    """
    from latent_resonance_export.gan.hyperparameters import read_hyperparameters
    from latent_resonance_export.gan.models.registry import architecture_of, make_generator
    from latent_resonance_export.gan.run import CONFIG_FILE, RunConfig, read_config
    from latent_resonance_export.gan.warm_start import check_warm_start

    begun = read_config(output) if (output / CONFIG_FILE).exists() else None
    architecture = options["architecture"] or (begun.architecture if begun else "loop")
    defaults = architecture_of(architecture).hyperparameters
    hp = read_hyperparameters(begun.hyperparameters) if begun else defaults
    given = {name: options[name] for name in ("batch_size", "settle", "turn", "seed")}
    hp = replace(hp, **{name: value for name, value in given.items() if value is not None})
    make_generator(architecture, dataset.geometry)  # fails before anything is written
    begun_from = begun.begun_from if begun else None
    config = RunConfig(
        architecture,
        str(folder.resolve()),
        dataset.sha256,
        dataset.geometry,
        asdict(hp),
        begun_from,
    )
    if warm_start := options["begin_from"]:
        check_warm_start(warm_start, architecture, dataset.geometry)
        config = replace(config, begun_from=str(warm_start.resolve()))
    return config


def train_in_process(
    fabric: Fabric, folder: Path, output: Path, config: RunConfig, goal: Goal
) -> TrainingResult:
    """Trains in each process; rank 0 shows the progress."""
    from latent_resonance_export.dataset.dataset import open_dataset
    from latent_resonance_export.gan.hyperparameters import read_hyperparameters
    from latent_resonance_export.gan.models.registry import architecture_of
    from latent_resonance_export.gan.train import TrainingSetup, train

    architecture, hp = architecture_of(config.architecture), config.hyperparameters
    warm_start = Path(config.begun_from) if config.begun_from else None
    setup = TrainingSetup(
        fabric,
        open_dataset(folder),
        architecture,
        read_hyperparameters(hp),
        warm_start,
        sound_s=SOUND_S,
    )
    if not fabric.is_global_zero:
        return train(setup, output, goal)
    with training_progress(goal.steps) as show:
        return train(setup, output, goal, show)


@contextmanager
def training_progress(n_steps: int) -> Iterator[Callable[[dict[str, float]], None]]:
    """A progress bar on a terminal; elsewhere a line for each checkpoint, and twice a minute."""
    if not CONSOLE.is_terminal:
        yield LineProgress(n_steps)
        return
    with progress_bar() as bar:
        task = bar.add_task("training", total=n_steps)

        def show(line: dict[str, float]) -> None:
            description = loss_and_speed(line) if "seconds_per_step" in line else "training"
            bar.update(task, completed=line["step"], description=description)
            if "swd" in line:
                bar.console.print(f"step {line['step']}: swd {line['swd']:.1f}", highlight=False)

        yield show


class LineProgress:
    """Prints where training begins, its first step, evaluations, and a line twice a minute."""

    def __init__(self, n_steps: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._n_steps, self._clock = n_steps, clock
        self._printed_s = -LINE_INTERVAL_S

    def __call__(self, line: dict[str, float]) -> None:
        """Prints a line of the log if it is due."""
        now_s = self._clock()
        if "seconds_per_step" not in line:
            text = "evaluating the network as it begins" if not line["step"] else "continuing"
        elif "swd" in line or line["step"] == 1 or now_s - self._printed_s >= LINE_INTERVAL_S:
            text = f"{losses(line)}, {time_left(line, self._n_steps)}"
        else:
            return
        self._printed_s = now_s
        click.echo(f"step {line['step']} of {self._n_steps}: {text}", err=True)


def losses(line: dict[str, float]) -> str:
    """The distance, where it was measured, loss and speed."""
    return (f"swd {line['swd']:.1f}, " if "swd" in line else "") + loss_and_speed(line)


def time_left(line: dict[str, float], n_steps: int) -> str:
    """At the mean pace so far."""
    left_min = (n_steps - line["step"]) * line["seconds_per_step"] / 60
    return f"{left_min // 60:.0f} h {left_min % 60:.0f} min left"


def loss_and_speed(line: dict[str, float]) -> str:
    """The generator's loss and the speed."""
    pace_s = line["seconds_per_step"]
    speed = f"{1 / pace_s:.1f} steps/s" if 0 < pace_s < 1 else f"{pace_s:.1f} s per step"
    return f"loss {line['generator']:.2f}, {speed}"


def print_result(result: TrainingResult, output: Path) -> None:
    """Prints where the run stands; exits with 130 if it was stopped."""
    if result.reason == "stopped":
        click.echo(
            f"stopped and saved at step {result.step}; repeat the command to continue", err=True
        )
        sys.exit(130)
    reason = " (swd no longer falls)" if result.reason == "plateau" else ""
    click.echo(f"{output}: step {result.step}{reason}")
