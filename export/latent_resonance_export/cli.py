"""The workshop's commands: sounds to dataset, dataset to networks, networks to a pack.

Each command parses its options and calls one function of another module; heavy libraries
are imported inside, so that --help answers at once. Bars and errors go to standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from latent_resonance import LatentResonanceError, __version__

PAGE = """\
From sounds to a pack that the gallery plays.

\b
The default pack, from nothing but a SoundFont (Debian: fluidsynth,
fluid-soundfont-gm). The second command takes an hour or two on a
workstation; stop it whenever you like, it goes on where it was.
  latent-resonance-export dataset -o datasets/cello --clips 1536
  latent-resonance-export train-gan datasets/cello -o runs/cello
  latent-resonance-export convert runs/cello --dataset datasets/cello \\
                          -o models/cello
"""
CODES = """\
\b
Exit codes:
  0    done
  1    it could not be done; the line on standard error says why
  2    the command line is wrong
  130  interrupted by Ctrl-C
"""
FOLDER = click.Path(path_type=Path)
SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
CELLO = "cello of FluidR3_GM (MIT licence, Frank Wen), phrases composed and rendered by FluidSynth"
CONSOLE = Console(stderr=True)
Command = TypeVar("Command", bound=Callable[..., None])


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar with counts and the time left, on standard error if that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    left = TimeRemainingColumn()
    with Progress(*columns, left, console=CONSOLE, disable=not CONSOLE.is_terminal) as progress:
        yield progress


def seed_option(default: int) -> Callable[[Command], Command]:
    """Chance is never left to chance."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=default,
        show_default=True,
        help="The same seed, the same result.",
    )


@click.group(
    help=PAGE,
    epilog=CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 92},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """See PAGE; click shows that."""


@commands.command(short_help="Compose phrases and have FluidSynth play them.")
@click.option("-o", "--output", type=FOLDER, required=True, help="The dataset's folder; made anew.")
@click.option(
    "--clips",
    type=click.IntRange(8, 100_000),
    default=1536,
    show_default=True,
    help="Loops to compose, 256 KiB each.",
)
@click.option(
    "--soundfont", type=FOLDER, default=SOUNDFONT, show_default=True, help="An .sf2 or .sf3 file."
)
@click.option(
    "--program",
    type=click.IntRange(0, 127),
    default=42,
    show_default=True,
    help="The instrument, by its General MIDI number from 0.",
)
@click.option("--sounds", default=CELLO, help="Whose sounds these are, for the model card.")
@seed_option(7)
def dataset(
    *, output: Path, clips: int, soundfont: Path, program: int, sounds: str, seed: int
) -> None:
    """Compose looping phrases, have FluidSynth play them, and write their spectrograms."""
    from latent_resonance.spectrogram import Geometry
    from latent_resonance_export.dataset import write_dataset
    from latent_resonance_export.synthesise import render_corpus

    if output.exists():
        raise click.ClickException(f"{output} exists; name another folder, or remove it first")
    geometry = Geometry()
    with progress_bar() as bar, TemporaryDirectory() as work:
        task = bar.add_task("rendering", total=clips)
        loops = render_corpus(
            clips,
            soundfont,
            Path(work),
            geometry,
            seed=seed,
            program=program,
            progress=lambda n: bar.advance(task, n),
        )
        write_dataset(loops, clips, output, geometry, about={"sounds": sounds}, seed=seed)
    click.echo(f"{output}: {clips} loops of {geometry.loop_s:.2f} s")


@commands.command("train-gan", short_help="Train the generator; goes on where it was.")
@click.argument("folder", metavar="DATASET", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="The run; resumed if it exists.")
@click.option(
    "--steps",
    type=click.IntRange(1),
    default=7600,
    show_default=True,
    help="Train until this step, counted from the run's beginning.",
)
@click.option(
    "--batch", type=click.IntRange(4), default=16, show_default=True, help="Clips a step."
)
@seed_option(0)
def train_gan(*, folder: Path, output: Path, steps: int, batch: int, seed: int) -> None:
    """Train the generator on DATASET, on a GPU if there is one.

    Every 200 steps the run is saved and a sheet is drawn: real clips, the same clips
    re-created, and new ones. Ctrl-C loses no more than that; the same command goes on.
    """
    if batch % 4:  # the critics compare clips in groups of four
        raise click.BadParameter(f"{batch} is not a multiple of 4", param_hint="--batch")
    import torch

    from latent_resonance_export.dataset import open_dataset
    from latent_resonance_export.train_gan import Recipe, train

    data = open_dataset(folder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_flush_denormal(True)
    with progress_bar() as bar:
        task = bar.add_task("training", total=steps)

        def show(line: dict[str, float]) -> None:
            loss = f"loss {line['generator']:.2f}" if "generator" in line else "training"
            bar.update(task, completed=line["step"], description=loss)
            if "spectrum_db" in line:
                bar.console.print(line)

        recipe = Recipe(batch_size=batch, seed=seed)
        training = train(data, output, recipe, steps, device, progress=show)
    click.echo(f"{output}: step {training.step}")


@commands.command(short_help="Train the regressor and write the pack.")
@click.argument("run", type=FOLDER)
@click.option(
    "--dataset", "folder", type=FOLDER, required=True, help="What the run was trained on."
)
@click.option("-o", "--output", type=FOLDER, required=True, help="The pack's folder.")
@click.option("--name", help="The pack's name.  [default: its folder's]")
@click.option(
    "--listen",
    type=click.IntRange(64),
    default=4000,
    show_default=True,
    help="Random z that the regressor hears before it learns.",
)
@click.option(
    "--steps", type=click.IntRange(1), default=3000, show_default=True, help="Of the regressor."
)
@seed_option(0)
def convert(
    *, run: Path, folder: Path, output: Path, name: str | None, listen: int, steps: int, seed: int
) -> None:
    """Train the regressor through a run's generator and write both as a pack of ONNX files.

    Nothing is written unless PyTorch and ONNX Runtime agree.
    """
    from latent_resonance_export.convert import convert as write_pack
    from latent_resonance_export.convert import load_generator
    from latent_resonance_export.dataset import open_dataset
    from latent_resonance_export.train_regressor import train_regressor

    generator, step = load_generator(run / "checkpoint.pt")
    data = open_dataset(folder)
    with progress_bar() as bar:
        tasks: dict[str, Any] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.advance(tasks[stage], done)

        trained = train_regressor(generator, steps=steps, n_listen=listen, seed=seed, progress=show)
    training = {"steps": step, "clips": len(data.pixels), "regressor_steps": steps, "seed": seed}
    name = name or output.resolve().name
    sheet = write_pack(generator, trained, data, output, name=name, training=training)
    for key, value in sheet["quality"].items():
        click.echo(f"{key}: {value}")


def main() -> None:
    """Run a command; what a user can put right is said in a line, without a traceback."""
    try:
        commands.main(prog_name="latent-resonance-export", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; a run goes on from its last checkpoint", err=True)
        sys.exit(130)
    except (LatentResonanceError, OSError, RuntimeError) as error:
        click.echo(f"latent-resonance-export: {error}", err=True)
        sys.exit(1)
