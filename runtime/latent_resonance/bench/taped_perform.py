"""`perform` with an output process that also records on a tape.

python -m latent_resonance.bench.taped_perform TAPE --config FILE
"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from latent_resonance.bench import tape as tape_module
from latent_resonance.cli.terminal import log, run
from latent_resonance.config.settings import load_settings
from latent_resonance.config.source import SettingsSource
from latent_resonance.voice.main import perform

FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("tape", type=FILE)
@click.option("--config", type=FILE, required=True)
def taped_perform(tape: Path, config: Path) -> None:
    """Perform until SIGTERM."""
    output = (sys.executable, "-m", tape_module.__name__, str(tape))
    settings = load_settings(config)
    source = SettingsSource(lambda: settings, config, log=log)
    sys.exit(perform(settings, source, output=output))


if __name__ == "__main__":
    run(taped_perform, "perform")
