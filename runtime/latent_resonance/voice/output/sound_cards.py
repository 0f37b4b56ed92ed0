"""The sound cards that the kernel knows at the moment; PortAudio lists them only once.

Part of the output process. Reads /proc/asound/cards, which names a card before its device files
are there.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from latent_resonance.voice.output.device_order import DeviceInfo, comes_before

CARDS, DEVICES = Path("/proc/asound/cards"), Path("/dev/snd")
LOOK_S = 1.0
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


class NewCards:
    """Watches for a card that can play and could not when this was made."""

    def __init__(
        self,
        file: Path = CARDS,
        devices: Path = DEVICES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._file, self._devices, self._clock = file, devices, clock
        self._known = self._playable()
        self._looked_s = clock()

    def better_than(self, device: DeviceInfo) -> str | None:
        """Name of a new card that comes before the device, None if none does; once a second."""
        now_s = self._clock()
        if now_s - self._looked_s < LOOK_S:
            return None
        self._looked_s = now_s
        before, self._known = self._known, self._playable()
        new = (card for card in self._known if card not in before)
        return next((card.short_name for card in new if comes_before(card.name, device)), None)

    def _playable(self) -> list[SoundCard]:
        return [card for card in sound_cards(self._file) if card.can_play(self._devices)]
