"""Messages, progress bar and error handling of the command line.

Used only by the commands, on the main thread. Standard output is reserved for results;
everything here goes to standard error.
"""

from __future__ import annotations

import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import click

from latent_resonance import LatentResonanceError
from latent_resonance.linux.process_exit import leave
from latent_resonance.linux.realtime import set_parent_death_signal

INTERRUPTED = 128 + signal.SIGINT


def log(message: str) -> None:
    """Print one line to standard error."""
    click.echo(message, err=True)


def log_warnings() -> None:
    """Print what the library warns of in one line, without the source line that warned."""

    def show(message: Warning | str, *_args: object, **_kwargs: object) -> None:
        log(str(message))

    warnings.showwarning = show


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], None]]:
    """A function that shows progress, 0..1, as a bar on a terminal; elsewhere it does nothing."""
    if not sys.stderr.isatty():
        yield lambda _share: None
        return
    with click.progressbar(length=1000, label=label, file=sys.stderr) as bar:
        yield lambda share: bar.update(int(1000 * share) - bar.pos)


def run(command: click.Command, name: str) -> NoReturn:
    """Run a command and exit with its code; errors of the user are printed without traceback.

    Threads that hang, or are inside a native library, do not keep the process from ending.
    """
    signal.signal(signal.SIGTERM, _exit_on_signal)
    log_warnings()
    try:
        command.main(prog_name=name, standalone_mode=False)
        code: object = 0
    except SystemExit as leaving:
        code = leaving.code
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        log("interrupted")
        code = INTERRUPTED
    except LatentResonanceError as error:
        for line in str(error).splitlines():
            log(f"{name}: {line}")
        code = error.exit_code
    leave(code)


def _exit_on_signal(number: int, _frame: FrameType | None) -> None:
    """Unwind the stack, so that partial output files are removed."""
    sys.exit(128 + number)


def exit_with_parent() -> None:
    """Ignore Ctrl-C, which reaches the whole process group, and exit when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_parent_death_signal(signal.SIGTERM)
