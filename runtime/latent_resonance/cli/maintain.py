"""The command `maintain`, which a unit of systemd runs as root for the staff page."""

from __future__ import annotations

from pathlib import Path

import click

from latent_resonance.cli.options import FILE


@click.command(hidden=True)
@click.option("--config", type=FILE, required=True, help="The settings file.")
@click.option("--requests", type=FILE, required=True, help="The folder that the monitor writes.")
@click.option("--answers", type=FILE, required=True, help="The folder that the monitor reads.")
def maintain(config: Path, requests: Path, answers: Path) -> None:
    """Carry out the request of the staff page, if there is one, and answer it."""
    from latent_resonance.gallery.maintenance import serve_request

    serve_request(requests, answers, config)
