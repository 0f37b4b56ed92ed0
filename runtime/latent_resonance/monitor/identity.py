"""Who this instrument is at an MQTT broker: permanent, its own, and saying nothing else. Pure.

A card image that is written twice copies the machine's id, and one machine may run two
instruments. So the id is made from what a copy does not have as well: the board, and the voice's
socket. `monitor.mqtt.client_id` overrides it.
"""

from __future__ import annotations

import hashlib
import hmac
import socket as sockets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from latent_resonance.config.monitor import Mqtt

APPLICATION = b"latent-resonance"
SERIALS = (
    "sys/firmware/devicetree/base/serial-number",  # Raspberry Pi, Jetson
    "sys/class/dmi/id/product_uuid",  # PCs; for root only
)


@dataclass(frozen=True)
class Identity:
    """A permanent id that does not reveal the machine's own, and a name for people."""

    id: str
    name: str


def identity_of(settings: Mqtt, socket: Path, root: Path = Path("/")) -> Identity:
    """Identity of one installation.

    Parameters
    ----------
    socket : the voice's, of which each instrument on a machine has another
    root : folder of `etc` and `sys`
    """
    name = f"Latent Resonance {sockets.gethostname()}"
    if settings.client_id is not None:
        return Identity(settings.client_id, name)
    return Identity(f"latent-{_digest([*_machine(root), str(socket)])}", name)


def _machine(root: Path) -> Iterator[str]:
    """What tells this machine from others: its id, and its board or network hardware."""
    yield _read(root / "etc/machine-id") or sockets.gethostname()
    boards = filter(None, (_read(root / path) for path in SERIALS))
    yield next(boards, "") or _hardware_address(root)


def _hardware_address(root: Path) -> str:
    """Address of the first network interface that is hardware; empty without one."""
    devices = sorted(root.glob("sys/class/net/*/device"))
    return next(filter(None, (_read(device.parent / "address") for device in devices)), "")


def _digest(parts: list[str]) -> str:
    """A key that cannot be turned back: 16 hex digits.

    machine-id(5) asks applications not to expose the machine's id on a network but to hash it with
    a key of their own. With the prefix the id has 23 characters, which every broker accepts
    (MQTT 3.1.1, 3.1.3.1).
    """
    secret = "\n".join(parts).encode("utf-8", "surrogateescape")
    return hmac.new(secret, APPLICATION, hashlib.sha256).hexdigest()[:16]


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip("\0 \n")
    except OSError:
        return ""
