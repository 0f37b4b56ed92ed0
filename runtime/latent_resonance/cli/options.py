"""Options that several commands share, and what they refuse before any work is done.

Pure but for a look at the paths; on the main thread, before anything heavy is imported.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import click


class NewFile(click.Path):
    """A file to write: a device or a pipe is refused, for it would be renamed away."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path, whether there is a file yet or not."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() and not (path.is_file() or path.is_dir()):
            self.fail(f"{path} is a device or a pipe; name an ordinary file", param, ctx)
        return path


def _duration(
    _context: click.Context, _option: click.Parameter, value: float | None
) -> float | None:
    if value is not None and not (math.isfinite(value) and 0 < value <= 86_400):
        raise click.BadParameter(f"{value:g} should be above 0 and at most 86400 (a day)")
    return value


def keep_apart(*paths: Path | None) -> None:
    """Refuses to write over a file that the same command reads or writes.

    Raises
    ------
    click.UsageError
        Two of the paths are one file.
    """
    seen: set[Path] = set()
    for path in filter(None, paths):
        if path.resolve() in seen:
            raise click.UsageError(f"{path} is named twice, and one would overwrite the other")
        seen.add(path.resolve())


FILE = click.Path(path_type=Path)
NEW_FILE = NewFile()
config_option = click.option(
    "--config", type=FILE, metavar="FILE", help="Settings (YAML). Without it, the defaults."
)
pack_option = click.option(
    "--pack", metavar="DIR", help="A pack's folder, or its name in models/; outranks the settings."
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default="0",
    metavar="N",
    help="Where all chance starts, 0 to 4294967295; another seed, another take.",
)
seconds_option = click.option(
    "--seconds", type=float, callback=_duration, metavar="N", help="Stop after N seconds."
)
unattended_option = click.option(
    "--unattended",
    is_flag=True,
    help="Nobody is there: go on with the defaults where the settings cannot be used, and say so.",
)
