"""Progress bars, their lines elsewhere, and options that the export commands share."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from latent_resonance_export.progress import ProgressCallback

PATH = click.Path(path_type=Path)
CONSOLE = Console(stderr=True)
LINE_INTERVAL_S = 20.0
Command = TypeVar("Command", bound=Callable[..., None])


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar with counts and the time left, on standard error if that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    left = TimeRemainingColumn()
    with Progress(*columns, left, console=CONSOLE, disable=not CONSOLE.is_terminal) as progress:
        yield progress


@contextmanager
def stages(*, at_begin: bool = True) -> Iterator[ProgressCallback]:
    """A progress bar for each stage, added when it begins; call it as a ProgressCallback.

    Where standard error is no terminal, lines instead of bars (`StageLines`).
    """
    if not CONSOLE.is_terminal:
        yield StageLines(at_begin=at_begin)
        return
    with progress_bar() as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.advance(tasks[stage], done)

        yield show


class StageLines:
    """Prints a line where a stage begins, and then three times a minute how far it is.

    Parameters
    ----------
    at_begin : whether to print the first line; without it short work prints nothing
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, at_begin: bool = True
    ) -> None:
        self._clock, self._at_begin = clock, at_begin
        self._done: Counter[str] = Counter()
        self._began_s: dict[str, float] = {}
        self._stage, self._printed_s = "", clock()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Implements ProgressCallback: prints a line if it is due."""
        now_s = self._clock()
        began_s = self._began_s.setdefault(stage, now_s)
        self._done[stage] += done
        begins = self._at_begin and stage != self._stage
        if not begins and now_s - self._printed_s < LINE_INTERVAL_S:
            return
        self._stage, self._printed_s = stage, now_s
        left = time_left(self._done[stage], total, now_s - began_s)
        click.echo(f"{stage}: {self._done[stage]} of {total}{left}", err=True)


def time_left(done: int, total: int, elapsed_s: float) -> str:
    """How long the rest takes at the mean pace so far; empty at the beginning."""
    if done <= 0 or elapsed_s < 1:
        return ""
    left_s = round((total - done) * elapsed_s / done)
    return f", {left_s // 60} min {left_s % 60} s left"


def seed_option(default: int) -> Callable[[Command], Command]:
    """The option --seed; every command that draws random numbers has it."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=default,
        show_default=True,
        help="The same seed, the same result.",
    )
