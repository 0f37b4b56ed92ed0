"""`convert-face`: converts Google's face networks to the ONNX files of the ONNX tracker."""

from __future__ import annotations

from pathlib import Path

import click

from latent_resonance_export.cli.terminal import PATH

HELP = """\
Convert the networks of TASK, MediaPipe's face_landmarker.task, to ONNX files.

MediaPipe's detector for distant faces is not in that file. It is converted too if it is
given with --detector; its sparse weights are stored dense.

The files in models/ were made by this command. Nothing is written unless ONNX Runtime
computes the same outputs as LiteRT, Google's own runtime, does from the originals.
"""


@click.command(help=HELP, short_help="Convert MediaPipe's face networks to ONNX files.")
@click.argument("task", type=PATH)
@click.option("--detector", type=PATH, help="MediaPipe's face_detection_full_range_sparse.tflite.")
@click.option("-o", "--output", type=PATH, default="models", show_default=True, help="The folder.")
def convert_face(*, task: Path, detector: Path | None, output: Path) -> None:
    """Convert the face networks and list the written files."""
    from latent_resonance_export.face.convert import convert_face as convert

    for written in convert(task, output, detector):
        click.echo(f"{written.path}  differs by {written.difference:g}  sha256 {written.sha256}")
