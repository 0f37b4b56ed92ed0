"""The settings that a command begins with: read, or the defaults where nobody can mend them.

On the main thread. Light to import: what checks the settings comes with the first call.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latent_resonance.config.settings import Settings

LONGEST = 80  # characters of what is wrong, in a line of status that has other things to say


def read_settings(config: Path | None, pack: str | None = None) -> Settings:
    """The settings of a file, with a pack from the command line.

    Raises
    ------
    SettingsError
        With every message at once.
    """
    from latent_resonance.config.settings import load_settings

    settings = load_settings(config)
    return settings.model_copy(update={"pack": pack}) if pack else settings


def settings_to_begin_with(
    config: Path | None, pack: str | None, *, unattended: bool, log: Callable[[str], None]
) -> tuple[Settings, str]:
    """(settings, what is wrong with the file); the defaults where nobody is there to mend it.

    Raises
    ------
    SettingsError
        With every message at once, if somebody is there.
    """
    from latent_resonance.config.settings import SettingsError

    try:
        return read_settings(config, pack), ""
    except SettingsError as error:
        if not unattended:
            raise
        for message in error.messages:
            log(message)
        log("going on with the defaults until the file is right")
        return read_settings(None, pack), str(error)


def in_short(reasons: str) -> str:
    """The first of what is wrong with settings, without folder and hint, for a line of status."""
    first, *others = reasons.splitlines()
    path, colon, rest = first.partition("; ")[0].partition(": ")
    text = textwrap.shorten(f"{path.rpartition('/')[2]}{colon}{rest}", LONGEST, placeholder=" …")
    return f"{text} (and {len(others)} more)" if others else text
