"""The command `monitor`: the picture, the staff's page, figures, OSC and MQTT."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from latent_resonance import LatentResonanceError
from latent_resonance.cli.options import FILE, config_option, unattended_option
from latent_resonance.cli.terminal import leave_with_the_parent, log
from latent_resonance.config.load import settings_to_begin_with


class ExtraMissing(LatentResonanceError):  # noqa: N818  # says what is wrong
    """The monitor's own packages are not installed."""

    exit_code = 2


@click.command(short_help="The picture on a wall, the staff's page, and numbers for a fleet.")
@config_option
@unattended_option
@click.option("--socket", type=FILE, metavar="PATH", help="The voice's socket for faces.")
@click.option("--child", is_flag=True, hidden=True, help="Started by perform: leave with it.")
def monitor(config: Path | None, socket: Path | None, unattended: bool, child: bool) -> None:
    """Show what a voice plays that was started elsewhere, and let staff and machines ask of it.

    \b
      /          the living spectrogram, for a wall
      /staff     meters, state, controls and teaching; controls ask for the token
      /metrics   numbers for Prometheus; /healthz for a probe
    OSC and MQTT are off until monitor.osc and monitor.mqtt name somebody. It listens on
    127.0.0.1:8765 unless monitor.host and monitor.port say otherwise. It knows columns of the
    sound and numbers; no image and no landmark ever reaches it. The voice plays on, whatever
    happens to it.

    \b
    Examples:
      latent-resonance perform --monitor
      latent-resonance monitor --config gallery.yaml
    """
    if child:
        leave_with_the_parent()
    settings, _refused = settings_to_begin_with(config, None, unattended=unattended, log=log)
    try:
        from latent_resonance.monitor.app import run
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"the monitor needs {error.name}, which is not installed; run it with "
            "`uv run --extra monitor latent-resonance …`, or sudo systemd/install.sh --monitor"
        ) from error
    sys.exit(run(settings, socket, log))
