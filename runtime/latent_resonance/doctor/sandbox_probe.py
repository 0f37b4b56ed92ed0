"""Tries what the eye, the voice or the screen must not be able to do, and prints each success.

    python sandbox_probe.py eye|voice|screen

Run by `sandbox.py` inside the unit's namespaces. Imports only the standard library and nothing of
this package, so that it starts anywhere. It sends no data and leaves no file.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

# TEST-NET-1 (RFC 5737) and 2001:db8 (RFC 3849): connecting a datagram socket sends nothing, but
# fails where there is no route.
OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
SYSTEM_SERVICES = (  # they could resolve names or act for a process without network
    "/run/systemd/resolve/io.systemd.Resolve",
    "/run/nscd/socket",
    "/run/dbus/system_bus_socket",
    "/run/avahi-daemon/socket",
)
DEV = Path("/dev")
CAMERAS = ("video*", "media*", "v4l-subdev*")
SOUND_CARDS = ("snd/*",)
DENIED_DEVICES = {"eye": SOUND_CARDS, "voice": CAMERAS, "screen": (*CAMERAS, *SOUND_CARDS)}
FOLDERS = (
    *("/", "/dev", "/dev/shm", "/etc", "/home", "/opt", "/root", "/run"),  # noqa: S108  tried, not used
    *("/run/latent-resonance", "/srv", "/tmp", "/usr", "/var/lib", "/var/log", "/var/tmp"),  # noqa: S108
)


def network_access() -> Iterator[str]:
    """Network interfaces, routes, and services that have network access."""
    for _, name in socket.if_nameindex():
        if name != "lo":
            yield f"has the network interface {name}"
    for family, address in OUTSIDE:
        if succeeds(partial(_connect, family, (address, 9), socket.SOCK_DGRAM)):
            yield f"has a route to {address}"
    for path in SYSTEM_SERVICES:
        if succeeds(partial(_connect, socket.AF_UNIX, path, socket.SOCK_STREAM)):
            yield f"can connect to {path}"


def devices(patterns: tuple[str, ...]) -> Iterator[str]:
    """Devices that can be opened."""
    for path in sorted(path for pattern in patterns for path in DEV.glob(pattern)):
        if not path.is_dir() and succeeds(partial(_open, path, os.O_RDONLY | os.O_NONBLOCK)):
            yield f"can open {path}"


def writable_folders() -> Iterator[str]:
    """Folders in which a file can be created; the file never gets a name."""
    for folder in FOLDERS:
        if succeeds(partial(_open, folder, os.O_TMPFILE | os.O_WRONLY)):
            yield f"can write to {folder}"


def succeeds(attempt: Callable[[], None]) -> bool:
    """Whether the kernel permits a call."""
    with contextlib.suppress(OSError):
        attempt()
        return True
    return False


def _open(path: str | Path, flags: int) -> None:
    os.close(os.open(path, flags))


def _connect(family: int, address: tuple[str, int] | str, kind: int) -> None:
    with socket.socket(family, kind) as client:
        client.settimeout(1.0)
        client.connect(address)


def violations_of(role: str) -> Iterator[str]:
    """What a role can do although it must not."""
    if role != "screen":  # a browser, which shows the monitor's page
        yield from network_access()
    yield from devices(DENIED_DEVICES[role])
    if role == "eye":
        yield from writable_folders()


def main(role: str) -> None:
    """Print a line for each violation."""
    for violation in violations_of(role):
        print(violation)


if __name__ == "__main__":
    main(sys.argv[1])
