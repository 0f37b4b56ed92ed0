"""The command `monitor`: web pages, metrics, OSC and MQTT."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from latent_resonance import LatentResonanceError
from latent_resonance.cli.options import FILE, config_option, unattended_option
from latent_resonance.cli.terminal import exit_with_parent, log
from latent_resonance.config.load import initial_settings
from latent_resonance.installation import INSTALL_MONITOR, remedy_here


class MissingExtraError(LatentResonanceError):
    """The packages of the extra `monitor` are not installed."""

    exit_code = 2


@click.command(short_help="Wall display, staff page, metrics, OSC and MQTT.")
@config_option
@unattended_option
@click.option("--socket", type=FILE, metavar="PATH", help="The voice's socket for face states.")
@click.option("--child", is_flag=True, hidden=True, help="Started by perform: exit with it.")
def monitor(config: Path | None, socket: Path | None, unattended: bool, child: bool) -> None:
    """Serve web pages, metrics, OSC and MQTT for a voice that runs in another process.

    \b
      /          live spectrogram, for a wall display
      /staff     meters, state, controls and teaching; the controls require the token
      /metrics   metrics for Prometheus
      /healthz   health check
    OSC and MQTT are off until monitor.osc and monitor.mqtt name an address. It listens on
    127.0.0.1:8765 unless monitor.host and monitor.port are set. It receives spectrogram columns
    and numbers, never an image or a landmark. The voice keeps playing if the monitor fails.

    \b
    Examples:
      latent-resonance perform --monitor
      latent-resonance monitor --config gallery.yaml
    """
    if child:
        exit_with_parent()
    settings = initial_settings(config, None, unattended=unattended, log=log).settings
    try:
        from latent_resonance.monitor.app import run
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the monitor needs {error.name}, which is missing; {remedy_here(INSTALL_MONITOR)}"
        ) from error
    on_terminal = child and sys.stderr.isatty()  # and not in a journal or a file
    sys.exit(run(settings, socket, log, config, show_token=on_terminal))
