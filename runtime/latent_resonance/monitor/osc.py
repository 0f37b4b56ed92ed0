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
from collections.abc import Callable
from typing import Any

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from latent_resonance.config.monitor import Osc
from latent_resonance.link.requests import OVERRIDE_TIMEOUT_S, Request, RequestError, parse_request
from latent_resonance.link.telemetry import Energies, Message, Report
from latent_resonance.monitor.addresses import IPAddress, parse_address
from latent_resonance.monitor.lookup import Lookup

ROOT = "/latent"
OVERRIDE = f"{ROOT}/override"
MAX_PACKET = 4096  # bytes
BUNDLE, BUNDLE_HEAD = b"#bundle\0", 16  # bytes, with the time tag (OSC 1.0)
MAX_NESTING = 4  # bundles within bundles
MAX_PACKETS_PER_S = 500  # the rest of a second is dropped
MAX_REQUESTS_PER_S = 500  # to the voice; a packet can have a hundred messages
OVERRIDE_INTERVAL_S = 1 / 60  # between override requests to the voice
SWITCHES = ("muted", "standby", "quiet", "correcting")
Value = bool | int | float | str | None
SocketAddress = tuple[Any, ...]  # as socket.sendto takes it, of any family


class OscSender:
    """Sends the voice's messages to the addresses in the settings.

    Parameters
    ----------
    log : called when an address cannot be resolved, and when it can again
    """

    def __init__(
        self, settings: Osc, clock: Callable[[], float], log: Callable[[str], None]
    ) -> None:
        self._clock, self._interval_s, self._due_s = clock, 1.0 / settings.rate_hz, 0.0
        where = "monitor.osc.send_to"
        self._targets = [
            Lookup(where, *split_address(text), clock, log) for text in settings.send_to
        ]
        self._sockets: dict[int, socket.socket] = {}

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
        for target in self._targets:
            target.refresh()
            if target.found:
                self._send_to(target, packet)

    def _send_to(self, target: Lookup, packet: bytes) -> None:
        """Send to the first address that can be reached; if none can, look the name up again."""
        for family, address in target.found:
            with contextlib.suppress(OSError):  # such as IPv6 without a route; delays no other
                self._socket(family).sendto(packet, address)
                return
        target.expire()

    def _socket(self, family: int) -> socket.socket:
        if family not in self._sockets:
            self._sockets[family] = _non_blocking(family)
        return self._sockets[family]


def split_address(text: str) -> tuple[str, int]:
    """Host, without brackets, and port of an address in the settings."""
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


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


class Senders:
    """Whose packets are accepted: of the addresses and names in `monitor.osc.senders`.

    Without any, all are: `needs_senders` keeps such a receiver on this machine.
    """

    def __init__(
        self, names: tuple[str, ...], clock: Callable[[], float], log: Callable[[str], None]
    ) -> None:
        self._names = [Lookup("monitor.osc.senders", name, 0, clock, log) for name in names]

    def accepts(self, address: str) -> bool:
        """Whether packets of an address are accepted. Compares addresses, not text."""
        return not self._names or parse_address(address) in self._addresses()

    def refresh(self) -> None:
        """Look names up again if that is due. Never blocks."""
        for name in self._names:
            name.refresh()

    def _addresses(self) -> set[IPAddress | None]:
        return {parse_address(found[0]) for name in self._names for _, found in name.found} - {None}


class Rate:
    """Counts what happens in each second of a clock, up to a limit."""

    def __init__(self, clock: Callable[[], float], most: int) -> None:
        self._clock, self._most = clock, most
        self._second, self._count = -math.inf, 0

    def is_exceeded(self) -> bool:
        """Count one more; whether that is more than the limit."""
        second = math.floor(self._clock())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        return self._count > self._most


def needs_senders(settings: Osc) -> bool:
    """Whether OSC would listen to a network without knowing to whom."""
    if settings.listen is None or settings.senders:
        return False
    host, _ = split_address(settings.listen)
    address = parse_address(host)
    return host != "localhost" if address is None else not address.is_loopback


class OscReceiver(asyncio.DatagramProtocol):
    """Receives packets of controllers; no packet can raise an exception here.

    Parameters
    ----------
    send : sends a request to the voice; raises RequestError if the voice cannot follow it
    log : called when a sender's name cannot be resolved, and when it can again

    Attributes
    ----------
    ignored : number of packets and messages dropped, by reason
    """

    def __init__(
        self,
        settings: Osc,
        send: Callable[[Request], None],
        clock: Callable[[], float],
        log: Callable[[str], None] = print,
        count: Callable[[str, str], None] = lambda _reason, _address: None,
    ) -> None:
        self._send, self._clock, self._count = send, clock, count
        self._senders = Senders(settings.senders, clock, log)
        self.ignored: Counter[str] = Counter()
        self._packets = Rate(clock, MAX_PACKETS_PER_S)
        self._requests = Rate(clock, MAX_REQUESTS_PER_S)
        self._overrides: dict[str, tuple[float, float]] = {}  # value, expiry
        self._sent_s, self._changed = -math.inf, False

    def datagram_received(self, data: bytes, addr: SocketAddress) -> None:
        """Handle one packet."""
        sender = str(addr[0])
        if not self._senders.accepts(sender):
            self._ignore("unknown sender", sender)
        elif self._packets.is_exceeded():
            self._ignore("rate limit", sender)
        else:
            for address, values in self._parse(data, sender):
                self._handle(address, values, sender)
            self.send_overrides()

    def refresh_senders(self) -> None:
        """Look up the names of the senders again if that is due. Never blocks."""
        self._senders.refresh()

    def _ignore(self, reason: str, sender: str = "") -> None:
        self.ignored[reason] += 1
        self._count(reason, sender)

    def error_received(self, exc: Exception) -> None:
        """Count a network error; there is nothing to do about it."""
        self._ignore(type(exc).__name__)

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

    def _parse(self, data: bytes, sender: str) -> list[tuple[str, list[Value]]]:
        if len(data) <= MAX_PACKET and is_well_formed(data):
            with contextlib.suppress(Exception):  # a third-party parser on untrusted data
                return [(m.message.address, m.message.params) for m in OscPacket(data).messages]
        self._ignore("malformed", sender)
        return []

    def _handle(self, address: str, values: list[Value], sender: str) -> None:
        try:
            if address == OVERRIDE or address.startswith(f"{OVERRIDE}/"):
                self._set_override(address, values)
            elif self._requests.is_exceeded():
                self._ignore("rate limit", sender)
            else:
                kind = address.removeprefix(f"{ROOT}/")
                self._send(parse_request({kind: _argument(address, values)}))
        except RequestError:
            self._ignore("invalid", sender)

    def _set_override(self, address: str, values: list[Value]) -> None:
        """Set the override of a feature; no value, or nil, removes it (or all, without a name)."""
        name = address.removeprefix(OVERRIDE).removeprefix("/")
        if len(values) > 1:
            raise RequestError(f"{address!r:.80}: more than one value")
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
