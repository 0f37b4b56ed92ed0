"""Tries what the eye or the voice must not be able to do, and prints what it could do.

    python trespass.py eye|voice

Run by `wall.py` in the place of the eye or the voice. Standard library only, and without the rest
of the package, so that it starts anywhere. It sends nothing and leaves no file.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

# TEST-NET-1 (RFC 5737) and 2001:db8 (RFC 3849): connecting a datagram socket sends nothing, but
# fails where there is no way out.
OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
PORTERS = (  # who would look up a name, or do other things, for somebody without a network
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/nscd/socket",
    "/run/dbus/system_bus_socket",
    "/run/avahi-daemon/socket",
)
DEV = Path("/dev")
CAMERAS = ("video*", "media*", "v4l-subdev*")
SOUND_CARDS = ("snd/*",)
PLACES = ("/", "/dev", "/dev/shm", "/etc", "/home", "/opt", "/root", "/run", "/srv")  # noqa: S108
PLACES += ("/run/latent-resonance", "/tmp", "/usr", "/var/lib", "/var/log", "/var/tmp")  # noqa: S108


def ways_out() -> Iterator[str]:
    """Of the network, and through whoever has one."""
    for _, name in socket.if_nameindex():
        if name != "lo":
            yield f"has the network interface {name}"
    for family, address in OUTSIDE:
        if succeeds(lambda family=family, address=address: _connect(family, (address, 9))):
            yield f"has a way to {address}"
    for path in PORTERS:
        if succeeds(lambda path=path: _connect(socket.AF_UNIX, path, socket.SOCK_STREAM)):
            yield f"can talk to {path}"


def devices(patterns: tuple[str, ...]) -> Iterator[str]:
    """Devices that can be opened."""
    for path in sorted(path for pattern in patterns for path in DEV.glob(pattern)):
        if path.is_dir():
            continue
        if succeeds(lambda path=path: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))):
            yield f"can open {path}"


def places_to_write() -> Iterator[str]:
    """Folders in which a file can be made; it never gets a name."""
    for folder in PLACES:
        if succeeds(lambda folder=folder: os.close(os.open(folder, os.O_TMPFILE | os.O_WRONLY))):
            yield f"can write to {folder}"


def succeeds(attempt: Callable[[], object]) -> bool:
    """Whether the kernel lets it happen."""
    with contextlib.suppress(OSError):
        attempt()
        return True
    return False


def _connect(family: int, address: object, kind: int = socket.SOCK_DGRAM) -> None:
    with socket.socket(family, kind) as probe:
        probe.settimeout(1.0)
        probe.connect(address)


def main(side: str) -> None:
    """Prints a line for each hole."""
    holes = [*ways_out(), *devices(SOUND_CARDS if side == "eye" else CAMERAS)]
    holes += places_to_write() if side == "eye" else ()
    for hole in holes:
        print(hole)


if __name__ == "__main__":
    main(sys.argv[1])
