"""The sound cards that the kernel knows at the moment; PortAudio lists them only once.

Part of the output process. Reads /proc/asound/cards, which names a card before its device files
are there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

CARDS, DEVICES = Path("/proc/asound/cards"), Path("/dev/snd")
_LINE = re.compile(r"^\s*(\d+) \[(\w+)\s*\]: (.*)$", re.MULTILINE)


class SoundCard(NamedTuple):
    """A card as the kernel lists it, such as 1, "DAC", "USB-Audio - USB DAC"."""

    number: int
    key: str
    name: str

    @property
    def short_name(self) -> str:
        """Without its driver."""
        return self.name.partition(" - ")[2] or self.name

    def can_play(self, devices: Path = DEVICES) -> bool:
        """Whether it has an output that this process may open; microphones have none."""
        files = devices.glob(f"pcmC{self.number}D*p")
        return any(os.access(file, os.R_OK | os.W_OK) for file in files)


def sound_cards(file: Path = CARDS) -> list[SoundCard]:
    """All of them; none where there is no sound driver."""
    try:
        lines = _LINE.findall(file.read_text())
    except OSError:
        return []
    return [SoundCard(int(number), key, name) for number, key, name in lines]
