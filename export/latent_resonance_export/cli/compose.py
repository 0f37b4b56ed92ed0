"""`compose`: makes a dataset from a SoundFont alone."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import click
import numpy as np

from latent_resonance_export.cli.terminal import PATH, seed_option, stages

SOUNDFONT = "/usr/share/sounds/sf2/FluidR3_GM.sf2"
CELLO = "cello of FluidR3_GM (MIT licence, Frank Wen), phrases composed and rendered by FluidSynth"


@click.command(short_help="Compose phrases and render them with FluidSynth.")
@click.option("-o", "--output", type=PATH, required=True, help="The dataset's folder, a new one.")
@click.option(
    "--clips",
    type=click.IntRange(8, 100_000),
    default=1536,
    show_default=True,
    help="Training loops to compose, 256 KiB each.",
)
@click.option(
    "--soundfont", type=PATH, default=SOUNDFONT, show_default=True, help="An .sf2 or .sf3 file."
)
@click.option(
    "--program",
    type=click.IntRange(0, 127),
    default=42,
    show_default=True,
    help="The instrument, by its General MIDI number from 0.",
)
@click.option(
    "--held-out",
    type=click.IntRange(1, 100_000),
    default=192,
    show_default=True,
    help="Further loops, never trained on, which audition compares with.",
)
@click.option("--sounds", default=CELLO, help="Description of the sounds, for the model card.")
@click.option("--licence", default="MIT", show_default=True, help="The SoundFont's licence.")
@seed_option(7)
def compose(
    *,
    output: Path,
    clips: int,
    soundfont: Path,
    program: int,
    held_out: int,
    sounds: str,
    licence: str,
    seed: int,
) -> None:
    """Compose looping phrases, render them with FluidSynth, and write them as a dataset."""
    from latent_resonance.audio.spectrogram import Geometry, loop_to_spectrogram
    from latent_resonance_export.dataset.dataset import Clip, write_dataset
    from latent_resonance_export.dataset.fluidsynth_corpus import render_corpus
    from latent_resonance_export.dataset.loops import PEAK_DB, normalise_peak
    from latent_resonance_export.progress import counted

    if output.exists():
        raise click.ClickException(f"{output} exists; name another folder, or remove it first")
    geometry, levels = Geometry(), np.random.default_rng(seed)
    table = [
        Clip(f"phrase {i}", 0.0, licence, sounds, held_out=i >= clips)
        for i in range(clips + held_out)
    ]
    with stages(at_begin=False) as show, TemporaryDirectory() as work:
        loops = render_corpus(
            len(table), soundfont, Path(work), geometry, seed=seed, program=program
        )
        spectrograms = (
            loop_to_spectrogram(normalise_peak(loop, geometry, levels.uniform(*PEAK_DB)), geometry)
            for loop in counted(loops, "rendering", len(table), show)
        )
        write_dataset(spectrograms, table, output, geometry, about={"sounds": sounds})
    click.echo(f"{output}: {clips} loops of {geometry.loop_s:.2f} s, and {held_out} held out")
