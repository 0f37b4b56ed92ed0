"""`perform` whose output process keeps a tape; nothing else of it is another.

python -m latent_resonance.bench.taped_perform TAPE --config FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from latent_resonance.bench import tape as output_process
from latent_resonance.cli.terminal import log, run
from latent_resonance.config.settings import load_settings
from latent_resonance.voice.main import perform

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("tape", type=FILE)
@click.option("--config", type=FILE, required=True)
def stage(tape: Path, config: Path) -> None:
    """Perform until SIGTERM."""
    output = (sys.executable, "-m", output_process.__name__, str(tape))
    sys.exit(perform(load_settings(config), config=config, output=output, log=log))


if __name__ == "__main__":
    run(stage, "perform")
