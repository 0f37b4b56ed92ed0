"""Where a running process gets its settings from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from latent_resonance.config.settings import Settings


@dataclass(frozen=True)
class SettingsSource:
    """How settings are read again, and what happens when they are invalid.

    Attributes
    ----------
    read : reads the settings, with the changes of the command line
    config : the file to watch; None if there is none
    unattended : replace a pack or a score that cannot be played by the bundled one
    error : what is wrong with the file already, if defaults are in use; empty otherwise
    log : receives messages for people
    """

    read: Callable[[], Settings]
    config: Path | None = None
    unattended: bool = False
    error: str = ""
    log: Callable[[str], None] = print
