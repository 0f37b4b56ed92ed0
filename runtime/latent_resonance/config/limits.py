"""Limits that the command line needs too, without loading the settings' library for `--help`."""

from __future__ import annotations

from typing import Final

MAX_CHANNELS: Final = 8  # of the voice; each pair costs a phase reconstruction
