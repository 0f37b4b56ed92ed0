"""How hot the machine is, as Linux tells it under /sys.

Read every few seconds on a thread that may wait; what cannot be read is not known.
"""

from __future__ import annotations

from pathlib import Path

from latent_resonance.voice.load_shedding import Heat

# Of a Raspberry Pi's firmware (`vcgencmd get_throttled`): capped, throttled, soft limit; now.
SLOWED_DOWN = 0b1110


class Thermometer:
    """Reads the hottest zone and the firmware's throttling flags.

    Parameters
    ----------
    root : where /sys is
    """

    def __init__(self, root: Path = Path("/sys")) -> None:
        self.zones = sorted(root.glob("class/thermal/thermal_zone*/temp"))
        self.flags = sorted(root.glob("devices/platform/soc*/soc*firmware/get_throttled"))

    def read(self) -> Heat:
        """The heat at present."""
        millidegrees = [n for n in (_number(path, 10) for path in self.zones) if n is not None]
        celsius = max(millidegrees) / 1000 if millidegrees else None
        flags = [n for n in (_number(path, 16) for path in self.flags) if n is not None]
        return Heat(celsius, any(n & SLOWED_DOWN for n in flags))


def _number(path: Path, base: int) -> int | None:
    try:
        return int(path.read_text(), base)
    except (OSError, ValueError):  # a sensor that is asleep answers with an error
        return None
