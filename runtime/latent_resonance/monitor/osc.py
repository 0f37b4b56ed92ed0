"""Open Sound Control, by python-osc: out to lights and other instruments, in from controllers.

Runs in the monitor's event loop. In: messages of the voice, and packets from the network, which
are untrusted: invalid ones are counted and dropped. Out: packets, and requests to the voice.
Addresses, types, ranges and rates are documented in docs/osc.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from latent_resonance.config.monitor import Osc
from latent_resonance.link.requests import OVERRIDE_TIMEOUT_S, Request, RequestError, parse_request
from latent_resonance.link.telemetry import Energies, Message, Report

ROOT = "/latent"
MAX_PACKET = 4096  # bytes
BUNDLE, BUNDLE_HEAD = b"#bundle\0", 16  # bytes, with the time tag (OSC 1.0)
MAX_NESTING = 4  # bundles within bundles
MAX_PACKETS_PER_S = 500  # the rest of a second is dropped
OVERRIDE_INTERVAL_S = 1 / 60  # between override requests to the voice
SWITCHES = ("muted", "standby", "quiet", "correcting")
Value = bool | int | float | str | None
SocketAddress = tuple[Any, ...]  # as socket.sendto takes it, of any family


class OscSender:
    """Sends the voice's messages to the addresses in the settings.

    Parameters
    ----------
    log : called once for each address that cannot be resolved
    """

    def __init__(
        self, settings: Osc, clock: Callable[[], float], log: Callable[[str], None]
    ) -> None:
        self._clock, self._interval_s, self._due_s = clock, 1.0 / settings.rate_hz, 0.0
        self._targets = [target for text in settings.send_to for target in _resolve(text, log)]
        self._sockets = {family: _non_blocking(family) for family, _ in self._targets}

    def on_message(self, message: Message) -> None:
        """Send a report, or energies if they are due."""
        if isinstance(message, Report):
            self._send(_bundle(_report_messages(message)))
        elif isinstance(message, Energies):
            now_s = self._clock()
            if now_s >= self._due_s:
                self._due_s = max(self._due_s + self._interval_s, now_s)
                self._send(_bundle(_energies_messages(message)))

    def on_link(self, up: bool) -> None:
        """Send whether the voice is connected."""
        self._send(_bundle([(f"{ROOT}/playing", [up])]))

    def close(self) -> None:
        """Close the sockets."""
        for each in self._sockets.values():
            each.close()

    def _send(self, packet: bytes) -> None:
        for family, address in self._targets:
            with contextlib.suppress(OSError):  # UDP: an unreachable target is ignored
                self._sockets[family].sendto(packet, address)


def _resolve(text: str, log: Callable[[str], None]) -> Iterator[tuple[int, SocketAddress]]:
    """Yield the socket family and address of a host:port, if it can be resolved."""
    host, _, port = text.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    except OSError as error:
        log(f"monitor.osc.send_to: {text} cannot be resolved ({error.strerror}); ignoring it")
        return
    yield found[0][0], found[0][4]


def _non_blocking(family: int) -> socket.socket:
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.setblocking(False)
    with contextlib.suppress(OSError):
        made.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    return made


def _bundle(messages: list[tuple[str, list[Value]]]) -> bytes:
    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, values in messages:
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value)
        bundle.add_content(message.build())
    return bundle.build().dgram


def _energies_messages(energies: Energies) -> list[tuple[str, list[Value]]]:
    named = energies.named
    latency_s = -1.0 if math.isnan(energies.latency_s) else energies.latency_s
    messages: list[tuple[str, list[Value]]] = [
        (f"{ROOT}/{name}", [value]) for name, value in named.items()
    ]
    messages += [
        (f"{ROOT}/features", list(named.values())),
        (f"{ROOT}/scene", [energies.scene]),
        (f"{ROOT}/present", [int(energies.present)]),
        (f"{ROOT}/level_db", [energies.level_db]),
        (f"{ROOT}/latency_s", [latency_s]),
    ]
    return messages


def _report_messages(report: Report) -> list[tuple[str, list[Value]]]:
    return [
        (f"{ROOT}/doing", [report.doing]),
        (f"{ROOT}/pack", [report.pack]),
        (f"{ROOT}/loudness_lufs", [report.loudness_lufs]),
        (f"{ROOT}/volume_db", [report.volume_db]),
        (f"{ROOT}/muted", [int(report.muted)]),
        (f"{ROOT}/standby", [int(report.standby)]),
        (f"{ROOT}/quiet", [int(report.quiet)]),
    ]


class OscReceiver(asyncio.DatagramProtocol):
    """Receives packets of controllers; no packet can raise an exception here.

    Parameters
    ----------
    send : sends a request to the voice

    Attributes
    ----------
    ignored : number of packets and messages dropped, by reason
    """

    def __init__(
        self, settings: Osc, send: Callable[[Request], None], clock: Callable[[], float]
    ) -> None:
        self._senders, self._send, self._clock = settings.senders, send, clock
        self.ignored: Counter[str] = Counter()
        self._second, self._packets = -math.inf, 0
        self._overrides: dict[str, tuple[float, float]] = {}  # value, expiry
        self._sent_s, self._changed = -math.inf, False

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """Handle one packet."""
        if self._senders and addr[0] not in self._senders:
            self.ignored["unknown sender"] += 1
        elif self._over_rate():
            self.ignored["rate limit"] += 1
        else:
            for address, values in self._parse(data):
                self._handle(address, values)
            self.send_overrides()

    def error_received(self, exc: Exception) -> None:
        """Count a network error; there is nothing to do about it."""
        self.ignored[type(exc).__name__] += 1

    def send_overrides(self) -> None:
        """Send the latest overrides if one has changed or expired."""
        now_s = self._clock()
        if now_s - self._sent_s < OVERRIDE_INTERVAL_S:
            return
        current = {name: entry for name, entry in self._overrides.items() if now_s < entry[1]}
        self._changed |= len(current) < len(self._overrides)
        self._overrides = current
        if self._changed:
            self._changed, self._sent_s = False, now_s
            self._send(Request("override", {name: value for name, (value, _) in current.items()}))

    def _over_rate(self) -> bool:
        second = math.floor(self._clock())
        if second != self._second:
            self._second, self._packets = second, 0
        self._packets += 1
        return self._packets > MAX_PACKETS_PER_S

    def _parse(self, data: bytes) -> list[tuple[str, list[Value]]]:
        if len(data) > MAX_PACKET or not is_well_formed(data):
            self.ignored["malformed"] += 1
            return []
        try:
            return [(m.message.address, m.message.params) for m in OscPacket(data).messages]
        except Exception:  # noqa: BLE001  a third-party parser on untrusted data
            self.ignored["malformed"] += 1
            return []

    def _handle(self, address: str, values: list[Value]) -> None:
        try:
            if address.startswith(f"{ROOT}/override"):
                self._set_override(address.removeprefix(f"{ROOT}/override"), values)
            else:
                kind = address.removeprefix(f"{ROOT}/")
                self._send(parse_request({kind: _argument(address, values)}))
        except RequestError:
            self.ignored["invalid"] += 1

    def _set_override(self, leaf: str, values: list[Value]) -> None:
        """Set the override of a feature; no value, or nil, removes it (or all, without a leaf)."""
        name = leaf.removeprefix("/")
        if not name and not values:
            self._overrides = {}
        elif not values or values[0] is None:
            parse_request({"override": dict.fromkeys([name], 0.0)})  # rejects unknown features
            self._overrides.pop(name, None)
        else:
            (target,) = parse_request({"override": {name: values[0]}}).value.items()
            self._overrides[name] = (target[1], self._clock() + OVERRIDE_TIMEOUT_S)
        self._changed = True


def is_well_formed(data: bytes, depth: int = 0) -> bool:
    """Whether the sizes in bundles are correct, and the nesting within MAX_NESTING.

    python-osc trusts the sizes, and loops for ever on an element of -4 bytes.
    """
    if not data.startswith(BUNDLE):
        return True
    at = BUNDLE_HEAD
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        element = data[at + 4 : at + 4 + max(size, 0)]
        if size <= 0 or len(element) < size or not is_well_formed(element, depth + 1):
            return False
        at += 4 + size
    return depth < MAX_NESTING


def _argument(address: str, values: list[Value]) -> object:
    """The value of a request; switches also take 0 or 1, as OSC 1.0 has no booleans."""
    kind = address.removeprefix(f"{ROOT}/")
    if kind not in (*SWITCHES, "volume_db", "pack", "tone") or len(values) != 1:
        raise RequestError(f"{address!r:.80}: unknown address, or not exactly one value")
    value = values[0]
    if kind in SWITCHES and isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return value
