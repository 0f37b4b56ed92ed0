"""A folder that appears whole or not at all, and gives way whole to the next of its name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latent_resonance_export.audition.generator import AuditionError
from latent_resonance_export.pack.atomic_folder import exchange

PAGE = "index.html"
FIGURES = "figures.json"


def check_place(folder: Path) -> None:
    """Refuses to replace what is no audition.

    Raises
    ------
    AuditionError
        Something else goes by that name, or the folder around it cannot be made.
    """
    is_ours = (folder / FIGURES).is_file() or (folder.is_dir() and not any(folder.iterdir()))
    if folder.exists() and not is_ours:
        raise AuditionError(f"{folder} is there and is no audition: name another folder by -o")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AuditionError(
            f"{folder.parent} cannot be made ({error.strerror}): name another folder by -o"
        ) from error


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill; it takes its name, and its predecessor goes, only if all went well."""
    part, old = (folder.with_name(f".{folder.name}.{end}") for end in ("part", "old"))
    if old.exists() and not folder.exists():  # the last run was killed between the two renames
        old.rename(folder)
    for left_behind in (part, old):
        shutil.rmtree(left_behind, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        if folder.exists() and not exchange(part, folder):
            folder.rename(old)
        if not folder.exists():
            part.rename(folder)
    finally:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
