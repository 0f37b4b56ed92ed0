"""What the command line shows a person: sentences, a progress bar, and no traceback.

Used by the commands only, on the main thread. Standard output is kept for what was asked
for; everything here goes to standard error.
"""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import click

from latent_resonance import LatentResonanceError

PR_SET_PDEATHSIG = 1  # prctl(2)
INTERRUPTED = 128 + signal.SIGINT


def log(sentence: str) -> None:
    """One line to whoever watches."""
    click.echo(sentence, err=True)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], None]]:
    """A bar on a terminal, nothing elsewhere; told the share done, 0..1."""
    if not sys.stderr.isatty():
        yield lambda _share: None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:
        yield lambda share: bar.update(int(1000 * share) - bar.pos)


def run(command: click.Command, name: str) -> None:
    """Runs a command to its exit code; what a user can put right is said in a line each."""
    signal.signal(signal.SIGTERM, _terminated)
    try:
        command.main(prog_name=name, standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        log("interrupted")
        sys.exit(INTERRUPTED)
    except LatentResonanceError as error:
        for line in str(error).splitlines():
            log(f"{name}: {line}")
        sys.exit(error.exit_code)


def _terminated(number: int, _frame: FrameType | None) -> None:
    """SIGTERM unwinds the stack, so that no half-written file is left behind."""
    sys.exit(128 + number)


def leave_with_the_parent() -> None:
    """Ctrl-C reaches the whole group: the voice decides when its children close, or dies first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
