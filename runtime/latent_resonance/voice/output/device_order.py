"""The order in which output devices are tried.

Pure, but for a look at which cards this user may open. Part of the output process: it does not
import numpy.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from latent_resonance import LatentResonanceError
from latent_resonance.linux.device_access import forbidden_message, forbidden_sound_cards

CARD_NUMBER = re.compile(r"\s*\(hw:\d+(,\d+)*\)")
HARDWARE = re.compile(r"\(hw:\d+(,\d+)*\)$")
SOUND_SERVERS = ("pipewire", "pulse", "jack")  # which own the cards, and mix
HDMI = ("hdmi", "displayport")
LAST = ("bcm2835headphones",)  # a Raspberry Pi 4's own socket: 11 bits
HARDWARE_KIND, HDMI_KIND, LAST_KIND = 1, 2, 3  # USB and I2S cards come after a sound server


class OutputError(LatentResonanceError):
    """PortAudio or the selected device is missing; the message has the remedy."""


@dataclass(frozen=True)
class DeviceInfo:
    """One output device as PortAudio names it."""

    index: int
    name: str
    host_api: str
    channels: int
    default_sample_rate: float
    is_default: bool

    @property
    def card(self) -> str:
        """The name without the card's number, which may change at every boot."""
        return CARD_NUMBER.sub("", self.name)


def find_device(device_name: str | None, devices: list[DeviceInfo]) -> DeviceInfo:
    """The first of `candidates`.

    Raises
    ------
    OutputError
        There is none; the message lists the available ones.
    """
    return candidates(device_name, devices)[0]


def candidates(
    device_name: str | None, devices: list[DeviceInfo], skipped: Collection[str] = ()
) -> list[DeviceInfo]:
    """The devices to try, in order: those with the name, or all of them.

    Without a name: the sound server, if there is one; USB and I2S cards; HDMI; what ALSA calls
    the default. The card's number is not part of a name: it depends on the order of detection.

    Parameters
    ----------
    device_name : part of a name, as PortAudio or as ALSA writes it
    skipped : names of devices that took no samples; used only if no other is left

    Raises
    ------
    OutputError
        There is none; the message lists the available ones.
    """
    if not devices and (cards := forbidden_sound_cards()):
        raise OutputError(forbidden_message(cards[:2]))
    if not devices:
        raise OutputError("no speaker found; connect one, or run `latent-resonance devices`")
    found = sorted(devices, key=_rank) if device_name is None else _named(device_name, devices)
    return [d for d in found if d.name not in skipped] or found


def _named(device_name: str, devices: Iterable[DeviceInfo]) -> list[DeviceInfo]:
    devices = list(devices)
    letters = _letters(device_name) or device_name
    found = [d for d in devices if device_name.lower() in d.card.lower()]
    found += [d for d in devices if d not in found and letters in _letters(d.card)]
    if found:
        return found
    names = ", ".join(repr(d.card) for d in devices)
    raise OutputError(f"no speaker's name contains {device_name!r}; available: {names}")


def comes_before(card: str, device: DeviceInfo) -> bool:
    """Whether a card, by the kernel's name for it, is tried before a device: USB before HDMI."""
    return (_kind(card) or HARDWARE_KIND) < _rank(device)[0]


def _rank(device: DeviceInfo) -> tuple[int, int]:
    """Where a device stands in the order; the smallest is first."""
    is_hardware, letters = HARDWARE.search(device.name) is not None, _letters(device.name)
    if any(server in letters for server in SOUND_SERVERS):
        return 0, not device.is_default
    kind = _kind(device.name)
    if kind == HDMI_KIND:  # raw, it takes encoded samples only
        return kind, is_hardware
    if kind is not None:
        return kind, 0
    return (HARDWARE_KIND, 0) if is_hardware else (LAST_KIND, not device.is_default)


def _kind(name: str) -> int | None:
    """Of a socket on the board, by the name of its device or card; None for any other."""
    letters = _letters(name)
    if any(part in letters for part in HDMI):
        return HDMI_KIND
    return LAST_KIND if any(part in letters for part in LAST) else None


def _letters(name: str) -> str:
    """Letters and digits only: PortAudio's "vc4-hdmi-0" is ALSA's "vc4hdmi0"."""
    return re.sub(r"[^a-z0-9]", "", name.lower())
