"""Progress bars and options that the export commands share."""

from __future__ import annotations

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

FOLDER = click.Path(path_type=Path)
CONSOLE = Console(stderr=True)
Command = TypeVar("Command", bound=Callable[..., None])


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """A progress bar with counts and the time left, on standard error if that is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    left = TimeRemainingColumn()
    with Progress(*columns, left, console=CONSOLE, disable=not CONSOLE.is_terminal) as progress:
        yield progress


@contextmanager
def stages() -> Iterator[ProgressCallback]:
    """A progress bar for each stage, added when it begins; call it as a ProgressCallback."""
    with progress_bar() as bar:
        tasks: dict[str, TaskID] = {}

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=total)
            bar.advance(tasks[stage], done)

        yield show


def seed_option(default: int) -> Callable[[Command], Command]:
    """The option --seed; every command that draws random numbers has it."""
    return click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=default,
        show_default=True,
        help="The same seed, the same result.",
    )
