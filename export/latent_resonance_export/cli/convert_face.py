"""`convert-face`: Google's face networks as the ONNX files that the light tracker plays."""

from __future__ import annotations

from pathlib import Path

import click

from latent_resonance_export.cli.terminal import FOLDER

HELP = """\
Write the networks of TASK, MediaPipe's face_landmarker.task, as ONNX files.

The gallery has them already; this is how they were made. Nothing is written unless
ONNX Runtime computes from them what Google's own runtime computes from the originals.
"""


@click.command(help=HELP, short_help="Write MediaPipe's face networks as ONNX files.")
@click.argument("task", type=FOLDER)
@click.option(
    "-o", "--output", type=FOLDER, default="models", show_default=True, help="The folder."
)
def convert_face(*, task: Path, output: Path) -> None:
    """Convert the face networks, and say what was written."""
    from latent_resonance_export.face.convert import convert_face as convert

    for written in convert(task, output):
        click.echo(f"{written.path}  differs by {written.difference:g}  sha256 {written.sha256}")
