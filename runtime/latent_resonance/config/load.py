"""The settings with which a command starts: the file's, or what is valid in it when unattended.

On the main thread. Cheap to import: validation is imported by the first call.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from latent_resonance.config.settings import Settings

MAX_STATUS_CHARACTERS = 80  # of an error message within a status line


def read_settings(config: Path | None, pack: str | None = None) -> Settings:
    """The settings of a file, with a pack from the command line.

    Raises
    ------
    SettingsError
        The file is invalid; the error holds every message.
    """
    from latent_resonance.config.settings import load_settings

    settings = load_settings(config)
    return settings.model_copy(update=_only(pack))


def _only(pack: str | None) -> dict[str, object]:
    """What a pack from the command line changes: it plays at any time of day."""
    return {"pack": pack, "packs": ()} if pack else {}


class Initial(NamedTuple):
    """What a process starts with.

    Attributes
    ----------
    error : what is wrong with the file, a line for each fault; empty if nothing is
    camera_closed : whether the camera has to stay closed until the file is corrected
    """

    settings: Settings
    error: str = ""
    camera_closed: bool = False


def initial_settings(
    config: Path | None, pack: str | None, *, unattended: bool, log: Callable[[str], None]
) -> Initial:
    """The settings of a file; with `unattended`, those of its sections that are valid.

    Raises
    ------
    SettingsError
        The file is invalid and `unattended` is not set.
    """
    from latent_resonance.config.settings import SettingsError

    try:
        return Initial(read_settings(config, pack))
    except SettingsError as error:
        if not unattended or config is None:
            raise
        for message in error.messages:
            log(message)
        return _recovered(config, pack, str(error), log)


def _recovered(config: Path, pack: str | None, error: str, log: Callable[[str], None]) -> Initial:
    from latent_resonance.config.recovery import recover_settings

    found = recover_settings(config)
    parts = ["using the defaults in place of that, and the rest of the file as written"]
    parts += ["the camera stays closed"] if found.camera_closed else []
    parts += ["the sound stays quiet"] if found.quiet else []
    log(f"{', '.join(parts)}, until the settings file is corrected")
    return Initial(found.settings.model_copy(update=_only(pack)), error, found.camera_closed)


def shortened(messages: str) -> str:
    """The first message, without folder and remedy, and the number of others; for a status line."""
    first, *others = messages.splitlines()
    path, colon, rest = first.partition("; ")[0].partition(": ")
    text = f"{path.rpartition('/')[2]}{colon}{rest}"
    text = textwrap.shorten(text, MAX_STATUS_CHARACTERS, placeholder=" …")
    return f"{text} (and {len(others)} more)" if others else text
