"""Watches for a sound card that is found while another device plays, and would have been chosen.

Part of the output process. At boot a USB card is often found after the sound has started; a screen
with sound may be switched on later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from latent_resonance.voice.output.alsa_config import SCREENS, hdmi_cards, is_hdmi
from latent_resonance.voice.output.device_order import DeviceInfo, comes_before
from latent_resonance.voice.output.sound_cards import CARDS, DEVICES, SoundCard, sound_cards

LOOK_S = 1.0


class NewCards:
    """The cards that can play and could not when this was made.

    Parameters
    ----------
    cards, devices, screens : the kernel's list, its device files, and its sockets for screens
    """

    def __init__(
        self,
        cards: Path = CARDS,
        devices: Path = DEVICES,
        screens: Path = SCREENS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cards, self._devices, self._screens, self._clock = cards, devices, screens, clock
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
        with_screen = set(hdmi_cards(self._cards, self._screens))
        return [
            card
            for card in sound_cards(self._cards)
            if card.can_play(self._devices) and (not is_hdmi(card) or card.key in with_screen)
        ]
