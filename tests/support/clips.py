"""Clips of real people, which are not part of the repository.

LATENT_RESONANCE_CLIPS names the folder that holds them; without it, their tests are skipped.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

CLIPS = Path(folder) if (folder := os.environ.get("LATENT_RESONANCE_CLIPS")) else None

needs_clips = pytest.mark.skipif(
    CLIPS is None,
    reason="set LATENT_RESONANCE_CLIPS to a folder with face-yes.mkv, face-sorry.mkv, "
    "face-again.mkv and face-please.mkv",
)


def clip(name: str) -> Path:
    """The path of a clip; only for tests marked `needs_clips`."""
    assert CLIPS is not None
    return CLIPS / name
