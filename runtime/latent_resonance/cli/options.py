"""Options that several commands share, and their validation.

Runs on the main thread before any heavy import; pure except for checks of paths.
"""

from __future__ import annotations

import math
import os
from pathlib import Path

import click


class NewFile(click.Path):
    """An output file. Devices and pipes are rejected, since a rename would replace them.

    Parameters
    ----------
    suffix : .wav, if the file is one whatever its name says; by default any
    """

    def __init__(self, suffix: str | None = None) -> None:
        super().__init__(path_type=Path)
        self.suffix = suffix

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path:
        """The path; the file need not exist."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.exists() and not (path.is_file() or path.is_dir()):
            self.fail(f"{path} is a device or a pipe; name an ordinary file", param, ctx)
        if self.suffix and path.suffix.lower() not in ("", self.suffix):
            named = path.with_suffix(self.suffix).name
            self.fail(f"{path} would be a WAV all the same; name it {named}", param, ctx)
        return path


def _duration(
    _context: click.Context, _option: click.Parameter, value: float | None
) -> float | None:
    if value is not None and not (math.isfinite(value) and 0 < value <= 86_400):
        raise click.BadParameter(f"{value:g} should be above 0 and at most 86400 (a day)")
    return value


def require_distinct(*paths: Path | None) -> None:
    """Check that no file is both read and written, or written twice.

    Raises
    ------
    click.UsageError
        Two of the paths are the same file.
    """
    seen: set[Path] = set()
    for path in filter(None, paths):
        if path.resolve() in seen:
            raise click.UsageError(f"{path} is named twice, and one would overwrite the other")
        seen.add(path.resolve())


FILE = click.Path(path_type=Path)
NEW_FILE = NewFile()
NEW_WAV = NewFile(".wav")
config_option = click.option(
    "--config", type=FILE, metavar="FILE", help="Settings (YAML); the defaults if omitted."
)
pack_option = click.option(
    "--pack", metavar="DIR", help="A pack's folder, or its name in models/; overrides the settings."
)
seed_option = click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default="0",
    metavar="N",
    help="Seed of all random numbers, 0 to 4294967295.",
)
seconds_option = click.option(
    "--seconds", type=float, callback=_duration, metavar="N", help="Stop after N seconds."
)
unattended_option = click.option(
    "--unattended",
    is_flag=True,
    help="For services: report invalid settings and continue with the defaults.",
)
