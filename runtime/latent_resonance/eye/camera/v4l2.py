"""Lists the connected cameras with the names that their drivers report.

Standard library only. Queries the kernel (VIDIOC_QUERYCAP), so it works without udev's links, as in
a sandbox. Called by the reader's thread and by the doctor. In: /dev/video*. Out: `Device`s.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAX_DEVICES = 64  # device numbers to try; a Raspberry Pi's image processor alone has about twenty
_QUERYCAP = 0x80685600  # linux/videodev2.h, VIDIOC_QUERYCAP
_CAPABILITY = struct.Struct("16s32s32s3I12x")  # struct v4l2_capability
_HAS_DEVICE_CAPS = 0x80000000
_CAPTURES_VIDEO = 0x00000001 | 0x00001000  # V4L2_CAP_VIDEO_CAPTURE and _CAPTURE_MPLANE


@dataclass(frozen=True, slots=True)
class Device:
    """One camera.

    Attributes
    ----------
    path
        Such as /dev/video2; may change when it is plugged in again.
    card
        Its name, such as "HD Pro Webcam C920".
    bus
        Its port, such as "usb-0000:01:00.0-1.2".
    """

    path: Path
    card: str
    bus: str

    @property
    def on_usb(self) -> bool:
        """Whether it is a USB device."""
        return self.bus.startswith("usb-")

    def matches(self, part: str) -> bool:
        """Whether its name or port contains `part`; udev's underscores equal spaces."""
        return _normalized(part) in _normalized(self.card) or _normalized(part) in _normalized(
            self.bus
        )

    def __str__(self) -> str:
        return f"{self.card!r} at {self.path}"


def list_devices() -> Iterator[Device]:
    """Every device that captures video, in the order of their numbers."""
    for number in range(MAX_DEVICES):
        device = _query(Path(f"/dev/video{number}"))
        if device is not None:
            yield device


def _query(path: Path) -> Device | None:
    """The camera at a path; None if there is none."""
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
    _, card, bus, _, all_capabilities, device_capabilities = _CAPABILITY.unpack(answer)
    has_own = all_capabilities & _HAS_DEVICE_CAPS
    capabilities = device_capabilities if has_own else all_capabilities
    return Device(path, _text(card), _text(bus)) if capabilities & _CAPTURES_VIDEO else None


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "replace")


def _normalized(name: str) -> str:
    return name.lower().replace("_", " ")
