"""The settings with which a command starts: the file's, or the defaults when unattended.

On the main thread. Cheap to import: validation is imported by the first call.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

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
    return settings.model_copy(update={"pack": pack}) if pack else settings


def initial_settings(
    config: Path | None, pack: str | None, *, unattended: bool, log: Callable[[str], None]
) -> tuple[Settings, str]:
    """(settings, error); with `unattended`, an invalid file gives the defaults and its error.

    Raises
    ------
    SettingsError
        The file is invalid and `unattended` is not set.
    """
    from latent_resonance.config.settings import SettingsError

    try:
        return read_settings(config, pack), ""
    except SettingsError as error:
        if not unattended:
            raise
        for message in error.messages:
            log(message)
        log("using the defaults until the settings file is corrected")
        return read_settings(None, pack), str(error)


def shortened(messages: str) -> str:
    """The first message, without folder and remedy, and the number of others; for a status line."""
    first, *others = messages.splitlines()
    path, colon, rest = first.partition("; ")[0].partition(": ")
    text = f"{path.rpartition('/')[2]}{colon}{rest}"
    text = textwrap.shorten(text, MAX_STATUS_CHARACTERS, placeholder=" …")
    return f"{text} (and {len(others)} more)" if others else text
