"""Which cameras Linux has at this moment, by the names that they give themselves.

Standard library only: the kernel is asked (VIDIOC_QUERYCAP), so it works without udev and its
links, as in a sandbox. Called by the reader's thread, and by whoever examines the machine. In:
/dev/video*. Out: `Device`s.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_DEVICES = 64  # numbers that are tried; a Raspberry Pi's image processor alone has some twenty
_QUERYCAP = 0x80685600  # linux/videodev2.h, VIDIOC_QUERYCAP
_CAPABILITY = struct.Struct("16s32s32s3I12x")  # struct v4l2_capability
_HAS_DEVICE_CAPS = 0x80000000
_GIVES_IMAGES = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE, in one plane or several


@dataclass(frozen=True, slots=True)
class Device:
    """One camera.

    Attributes
    ----------
    path
        Where it is now, such as /dev/video2: the next time it may be elsewhere.
    card
        What it calls itself, such as "HD Pro Webcam C920".
    bus
        Where it is plugged in, such as "usb-0000:01:00.0-1.2".
    """

    path: Path
    card: str
    bus: str

    @property
    def on_usb(self) -> bool:
        """Whether it hangs on a USB cable."""
        return self.bus.startswith("usb-")

    def matches(self, part: str) -> bool:
        """Whether its name or its port contains `part`; a space or an underscore, as udev has."""
        return _normalized(part) in _normalized(self.card) or _normalized(part) in _normalized(
            self.bus
        )

    def __str__(self) -> str:
        return f"{self.card!r} at {self.path}"


def devices() -> Iterator[Device]:
    """Every camera that gives images, the lowest number first."""
    for number in range(MAX_DEVICES):
        device = _call_driver(Path(f"/dev/video{number}"))
        if device is not None:
            yield device


def _call_driver(path: Path) -> Device | None:
    """What the camera at a path says of itself; None if there is none."""
    answer = bytearray(_CAPABILITY.size)
    try:
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.ioctl(handle, _QUERYCAP, answer)
    except OSError:
        return None
    finally:
        os.close(handle)
    _, card, bus, _, capabilities, of_device = _CAPABILITY.unpack(answer)
    able = of_device if capabilities & _HAS_DEVICE_CAPS else capabilities
    return Device(path, _text(card), _text(bus)) if able & _GIVES_IMAGES else None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _normalized(name: str) -> str:
    return name.lower().replace("_", " ")
