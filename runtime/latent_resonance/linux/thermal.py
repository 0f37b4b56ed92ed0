"""Temperature and throttling of the machine, from /sys.

Polled every few seconds on a thread that may block; unreadable sensors count as unknown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

# Bits of a Raspberry Pi's get_throttled for the present: capped, throttled, soft limit.
THROTTLED = 0b1110
HOT_C = 80.0  # a Raspberry Pi throttles from here on
COOL_C = 72.0


@dataclass(frozen=True)
class ThermalState:
    """Temperature in degrees Celsius, if known, and whether the firmware throttles."""

    celsius: float | None = None
    throttled: bool = False

    @property
    def hot(self) -> bool:
        """Whether the processor is throttled or about to be."""
        return self.throttled or (self.celsius is not None and self.celsius >= HOT_C)

    @property
    def cool(self) -> bool:
        """Whether the temperature is well below the limit."""
        return not self.throttled and (self.celsius is None or self.celsius <= COOL_C)


class Thermometer:
    """Reads the hottest thermal zone and the firmware's throttling flags.

    Parameters
    ----------
    root : where /sys is
    """

    def __init__(self, root: Path = Path("/sys")) -> None:
        self.zones = sorted(root.glob("class/thermal/thermal_zone*/temp"))
        self.flags = sorted(root.glob("devices/platform/soc*/soc*firmware/get_throttled"))

    def read(self) -> ThermalState:
        """The present state."""
        millidegrees = [n for n in (_number(path, 10) for path in self.zones) if n is not None]
        celsius = max(millidegrees) / 1000 if millidegrees else None
        flags = [n for n in (_number(path, 16) for path in self.flags) if n is not None]
        return ThermalState(celsius, any(n & THROTTLED for n in flags))


def _number(path: Path, base: int) -> int | None:
    try:
        return int(path.read_text(), base)
    except (OSError, ValueError):  # a suspended sensor returns an error
        return None
