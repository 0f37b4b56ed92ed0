"""The command `doctor`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from latent_resonance.options import config_option


@click.command(short_help="Say what is wrong with this machine, and what to do.")
@config_option
@click.option("--json", "as_json", is_flag=True, help="For programs: a list of checks.")
@click.option("--tone", is_flag=True, help="Also play a tone: can it be heard?")
def doctor(config: Path | None, as_json: bool, tone: bool) -> None:
    """Check the program, camera, speaker, the machine, the units and the wall between them.

    Without --config: the settings of /etc/latent-resonance, if there are any. Each line is ok,
    warn or fail. A missing camera or speaker is a warning, for the instrument plays without;
    what keeps it from playing fails, and the exit code is 1. As root it sees more.

    \b
    Examples:
      sudo latent-resonance doctor
      sudo latent-resonance doctor --tone
      latent-resonance doctor --json --config gallery.yaml
    """
    from latent_resonance.doctor import FAIL, examine

    checks = examine(config, tone=tone)
    if as_json:
        click.echo(json.dumps([check.as_dict() for check in checks], indent=2))
    else:
        for check in checks:
            click.echo(check.as_text())
    sys.exit(int(any(check.verdict == FAIL for check in checks)))
