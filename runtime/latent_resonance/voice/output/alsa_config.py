"""Gives each HDMI card a name that PortAudio can open.

Raw, a Raspberry Pi's HDMI takes IEC 958 subframes only. ALSA converts to them under the name
"sysdefault:CARD=vc4hdmi0", but PortAudio lists names without arguments only. So the output process
appends a configuration of its own to ALSA's, in memory.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from latent_resonance.voice.output.sound_cards import CARDS, SoundCard, sound_cards

SCREENS = Path("/sys/class/drm")
ALSA_CONFIG = "/usr/share/alsa/alsa.conf"
VARIABLE = "ALSA_CONFIG_PATH"
CONNECTED = "connected"


def extend_alsa_config(cards: Path = CARDS, screens: Path = SCREENS) -> None:
    """Name the HDMI cards that have a screen, for this process. Before PortAudio is imported."""
    text = "".join(map(_definition, hdmi_cards(cards, screens)))
    if not text:
        return
    file = os.memfd_create("alsa")
    os.write(file, text.encode())
    before = os.environ.get(VARIABLE, ALSA_CONFIG)
    os.environ[VARIABLE] = f"{before}:/proc/self/fd/{file}"


def hdmi_cards(cards: Path = CARDS, screens: Path = SCREENS) -> Iterator[str]:
    """ALSA's names of the HDMI cards whose socket has a screen, or where that is unknown."""
    for card in sound_cards(cards):
        if is_hdmi(card) and _has_screen(card.key, screens):
            yield card.key


def is_hdmi(card: SoundCard) -> bool:
    """Whether a card is a socket for a screen."""
    return "hdmi" in card.key.lower()


def _has_screen(card: str, screens: Path) -> bool:
    """Whether a screen is on the socket of a card such as vc4hdmi0, which is HDMI-A-1."""
    number = re.search(r"\d+$", card)
    if number is None:
        return True
    found = list(_contents(screens, f"card*-HDMI-A-{int(number[0]) + 1}/status"))
    return not found or CONNECTED in found


def _contents(folder: Path, pattern: str) -> Iterator[str]:
    """What the files say that match a pattern; a driver that is unloaded takes them away."""
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):
            yield path.read_text().strip()


def _definition(card: str) -> str:
    return f'pcm.{card}_converted {{ type plug slave.pcm "sysdefault:CARD={card}" }}\n'
