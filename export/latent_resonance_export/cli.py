"""The workshop's commands: sounds to dataset, dataset to networks, networks to a pack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

PAGE = """\
From sounds to a pack that the gallery plays.

\b
The default pack, from nothing but a SoundFont:
  latent-resonance-export dataset -o datasets/cello --clips 1536
  latent-resonance-export train-gan datasets/cello -o runs/cello --steps 6000
  latent-resonance-export convert runs/cello --dataset datasets/cello -o models/cello
"""
FOLDER = click.Path(path_type=Path)
CELLO = "cello of FluidR3_GM (MIT licence, Frank Wen), phrases composed and rendered by FluidSynth"
CONSOLE = Console(stderr=True)


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A bar with counts and the time left, on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=CONSOLE) as progress:
        yield progress


@click.group(help=PAGE, context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """See PAGE; click shows that."""


@commands.command()
@click.option("-o", "--output", type=FOLDER, required=True, help="The dataset's folder.")
@click.option("--clips", type=click.IntRange(8, 100_000), default=1536, show_default=True)
@click.option(
    "--soundfont",
    type=FOLDER,
    default="/usr/share/sounds/sf2/FluidR3_GM.sf2",
    show_default=True,
    help="Debian: fluid-soundfont-gm.",
)
@click.option("--program", type=click.IntRange(0, 127), default=42, show_default=True, help="General MIDI.")
@click.option("--sounds", default=CELLO, help="Where the sounds come from, for the model card.")
@click.option("--seed", type=int, default=7, show_default=True)
def dataset(output: Path, clips: int, soundfont: Path, program: int, sounds: str, seed: int) -> None:
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
            clips, soundfont, Path(work), geometry, seed, program, lambda n: bar.advance(task, n)
        )
        write_dataset(loops, clips, output, geometry, {"sounds": sounds}, seed)


@commands.command("train-gan")
@click.argument("folder", metavar="DATASET", type=FOLDER)
@click.option("-o", "--output", type=FOLDER, required=True, help="The run; resumed if it exists.")
@click.option("--steps", type=click.IntRange(1), default=6000, show_default=True)
@click.option("--batch", type=click.IntRange(4), default=16, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def train_gan(folder: Path, output: Path, steps: int, batch: int, seed: int) -> None:
    """Train the generator, on a GPU if there is one; goes on from the last checkpoint."""
    import torch

    from latent_resonance_export.dataset import open_dataset
    from latent_resonance_export.train_gan import Recipe, train

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_flush_denormal(True)
    with progress_bar() as bar:
        task = bar.add_task("training", total=steps)

        def show(line: dict[str, float]) -> None:
            bar.update(task, completed=line["step"], description=f"loss {line['generator']:.2f}")
            if "spectrum_db" in line:
                bar.console.print(line)

        recipe = Recipe(batch_size=batch, seed=seed)
        train(open_dataset(folder), output, recipe, steps, device, show)


@commands.command()
@click.argument("run", type=FOLDER)
@click.option("--dataset", "folder", type=FOLDER, required=True, help="What the run was trained on.")
@click.option("-o", "--output", type=FOLDER, required=True, help="The pack's folder.")
@click.option("--name", help="By default the folder's name.")
@click.option("--listen", type=click.IntRange(64), default=3000, show_default=True, help="z decoded.")
@click.option("--steps", type=click.IntRange(1), default=3000, show_default=True, help="Of the regressor.")
@click.option("--seed", type=int, default=0, show_default=True)
def convert(
    run: Path, folder: Path, output: Path, name: str | None, listen: int, steps: int, seed: int
) -> None:
    """Train the regressor through a run's generator and write both as a pack of ONNX files."""
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

        regressor, anchors, heard, quality = train_regressor(
            generator, steps=steps, n_listen=listen, seed=seed, progress=show
        )
    training = {"steps": step, "clips": len(data.pixels), "regressor_steps": steps, "seed": seed}
    sheet = write_pack(
        generator, regressor, anchors, heard, data, output,
        name=name or output.name, training=training, quality=quality,
    )
    for key, value in sheet["quality"].items():
        click.echo(f"{key}: {value}")


def main() -> None:
    """Runs a command; what a user can put right is said in a line, without a traceback."""
    try:
        commands.main(prog_name="latent-resonance-export", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; a run goes on from its last checkpoint", err=True)
        sys.exit(130)
    except (OSError, ValueError, RuntimeError) as error:
        click.echo(f"latent-resonance-export: {error}", err=True)
        sys.exit(1)
