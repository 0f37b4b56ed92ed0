"""Files that appear complete or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latent_resonance import LatentResonanceError


class OutputFileError(LatentResonanceError):
    """A file cannot be written; the message says which and why."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` on success.

    Raises
    ------
    OutputFileError
        The folder is missing or unwritable, or the disk is full; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        if path.exists() and not path.is_file():  # a folder, or a device such as /dev/null
            raise OutputFileError(f"{path}: exists and is not a regular file; choose another name")
        temporary.touch()
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error
        raise OutputFileError(
            f"{path}: cannot be written ({reason}); check the folder, its permissions and the"
            " space left"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
