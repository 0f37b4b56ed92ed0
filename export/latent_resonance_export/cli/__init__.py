"""The workshop's commands: from recordings to a dataset, networks and a pack.

Each command parses its options and calls one function of another module; heavy libraries
are imported inside, so that --help is fast. Progress and errors go to standard error.
"""

from __future__ import annotations

import sys

import click

from latent_resonance import LatentResonanceError, __version__
from latent_resonance_export.cli.audition import audition
from latent_resonance_export.cli.compose import compose
from latent_resonance_export.cli.convert import convert
from latent_resonance_export.cli.convert_face import convert_face
from latent_resonance_export.cli.curate import curate
from latent_resonance_export.cli.train_gan import train_gan
from latent_resonance_export.cli.train_regressor import train_regressor

PAGE = """\
From recordings to a pack that the gallery plays.

\b
Five steps, each with its own --help; each can be stopped and
continues where it was:
  latent-resonance-export curate recordings -o datasets/mine
  latent-resonance-export train-gan datasets/mine -o runs/mine
  latent-resonance-export train-regressor runs/mine
  latent-resonance-export convert runs/mine -o models/mine
  latent-resonance-export audition models/mine
"""
CODES = """\
\b
Exit codes:
  0    done
  1    failed; the line on standard error says why
  2    the command line is wrong
  130  interrupted by Ctrl-C
"""


class InOrder(click.Group):
    """Lists the commands in the order of the workflow."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        """See click."""
        return list(self.commands)


@click.group(
    cls=InOrder,
    help=PAGE,
    epilog=CODES,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 92},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """See PAGE; click shows that."""


for command in (curate, train_gan, train_regressor, convert, audition, compose, convert_face):
    commands.add_command(command)


def main() -> None:
    """Runs a command; an error that the user can fix is one line, without a traceback."""
    try:
        commands.main(prog_name="latent-resonance-export", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted; a run continues from its last checkpoint", err=True)
        sys.exit(130)
    except (LatentResonanceError, OSError, RuntimeError) as error:
        click.echo(f"latent-resonance-export: {error}", err=True)
        sys.exit(1)
