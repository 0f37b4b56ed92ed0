"""Open Sound Control, by python-osc: out to lights and other instruments, in from controllers.

Lives in the monitor's event loop. In: what the voice says, and packets of strangers, which are
counted and dropped unless they keep every rule. Out: packets, and requests to the voice. The
addresses, types, ranges and rates are in docs/osc.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
from collections import Counter
from collections.abc import Callable, Iterator

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from latent_resonance.config.monitor import Osc
from latent_resonance.link.requests import HELD_S, Request, RequestError, request
from latent_resonance.link.telemetry import Energies, Message, Report

ROOT = "/latent"
LARGEST = 4096  # bytes of a packet that is read
BUNDLE, BUNDLE_HEAD = b"#bundle\0", 16  # bytes, with the time tag (OSC 1.0)
MOST_BUNDLES = 4  # within one another
MOST_PER_S = 500  # packets; the rest of a second is dropped
ASK_S = 1 / 60  # between overrides that are handed on
SWITCHES = ("muted", "standby", "quiet", "correcting")
Value = bool | int | float | str | None


class OscOut:
    """Tells whoever the settings name.

    Parameters
    ----------
    say : told once of an address that cannot be found
    """

    def __init__(
        self, settings: Osc, clock: Callable[[], float], log: Callable[[str], None]
    ) -> None:
        self._clock, self._every_s, self._due_s = clock, 1.0 / settings.rate_hz, 0.0
        self._told = [place for text in settings.send_to for place in _found(text, log)]
        self._sockets = {family: _non_blocking(family) for family, _ in self._told}

    def take(self, message: Message) -> None:
        """What the voice has said."""
        if isinstance(message, Report):
            self._send(_bundle(_of_report(message)))
        elif isinstance(message, Energies):
            now_s = self._clock()
            if now_s >= self._due_s:
                self._due_s = max(self._due_s + self._every_s, now_s)
                self._send(_bundle(_of_energies(message)))

    def linked(self, up: bool) -> None:
        """Whether a voice is there."""
        self._send(_bundle([(f"{ROOT}/playing", [up])]))

    def close(self) -> None:
        """Tells nobody any more."""
        for each in self._sockets.values():
            each.close()

    def _send(self, packet: bytes) -> None:
        for family, place in self._told:
            with contextlib.suppress(OSError):  # nobody there, or no way there: as UDP is
                self._sockets[family].sendto(packet, place)


def _found(text: str, log: Callable[[str], None]) -> Iterator[tuple[int, tuple]]:
    """Where an address of the settings is: its family, and what sendto takes."""
    host, _, port = text.rpartition(":")
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)
    except OSError as error:
        log(f"monitor.osc.send_to: {text} cannot be found ({error.strerror}); it is not told")
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


def _of_energies(energies: Energies) -> list[tuple[str, list[Value]]]:
    named = energies.named
    single = [(f"{ROOT}/{name}", [value]) for name, value in named.items()]
    late = -1.0 if math.isnan(energies.latency_s) else energies.latency_s
    return [
        *single,
        (f"{ROOT}/features", list(named.values())),
        (f"{ROOT}/scene", [energies.scene]),
        (f"{ROOT}/present", [int(energies.present)]),
        (f"{ROOT}/level_db", [energies.level_db]),
        (f"{ROOT}/latency_s", [late]),
    ]


def _of_report(report: Report) -> list[tuple[str, list[Value]]]:
    return [
        (f"{ROOT}/doing", [report.doing]),
        (f"{ROOT}/pack", [report.pack]),
        (f"{ROOT}/loudness_lufs", [report.loudness_lufs]),
        (f"{ROOT}/volume_db", [report.volume_db]),
        (f"{ROOT}/muted", [int(report.muted)]),
        (f"{ROOT}/standby", [int(report.standby)]),
        (f"{ROOT}/quiet", [int(report.quiet)]),
    ]


class OscIn(asyncio.DatagramProtocol):
    """Hears controllers; nothing that comes can raise anything here.

    Parameters
    ----------
    ask : has the voice do something

    Attributes
    ----------
    ignored : packets and messages that were dropped, by why
    """

    def __init__(
        self, settings: Osc, ask: Callable[[Request], None], clock: Callable[[], float]
    ) -> None:
        self._senders, self._ask, self._clock = settings.senders, ask, clock
        self.ignored: Counter[str] = Counter()
        self._second, self._packets = -math.inf, 0
        self._override: dict[str, tuple[float, float]] = {}  # value, until
        self._asked_s, self._changed = -math.inf, False

    def datagram_received(self, data: bytes, address: tuple) -> None:
        """A packet of somebody."""
        if self._senders and address[0] not in self._senders:
            self.ignored["stranger"] += 1
        elif self._flooded():
            self.ignored["flood"] += 1
        else:
            for where, values in self._read(data):
                self._understand(where, values)
            self.pass_on()

    def error_received(self, exc: Exception) -> None:
        """What the network says of packets; there is nothing to do about it."""
        self.ignored[type(exc).__name__] += 1

    def pass_on(self) -> None:
        """Hands on the overrides that have changed, or have ended; the newest of each."""
        now_s = self._clock()
        if now_s - self._asked_s < ASK_S:
            return
        held = {name: kept for name, kept in self._override.items() if now_s < kept[1]}
        self._changed |= len(held) < len(self._override)
        self._override = held
        if self._changed:
            self._changed, self._asked_s = False, now_s
            self._ask(Request("override", {name: value for name, (value, _) in held.items()}))

    def _flooded(self) -> bool:
        second = math.floor(self._clock())
        if second != self._second:
            self._second, self._packets = second, 0
        self._packets += 1
        return self._packets > MOST_PER_S

    def _read(self, data: bytes) -> list[tuple[str, list[Value]]]:
        if len(data) > LARGEST or not is_whole(data):
            self.ignored["malformed"] += 1
            return []
        try:
            return [(m.message.address, m.message.params) for m in OscPacket(data).messages]
        except Exception:  # noqa: BLE001 - another's parser, fed by strangers
            self.ignored["malformed"] += 1
            return []

    def _understand(self, where: str, values: list[Value]) -> None:
        try:
            if where.startswith(f"{ROOT}/override"):
                self._take(where.removeprefix(f"{ROOT}/override"), values)
            else:
                self._ask(request({where.removeprefix(f"{ROOT}/"): _argument(where, values)}))
        except RequestError:
            self.ignored["against the rules"] += 1

    def _take(self, leaf: str, values: list[Value]) -> None:
        """/override NAME…: a value; without one, or with nil, it is the face's again."""
        name = leaf.removeprefix("/")
        if not name and not values:
            self._override = {}
        elif not values or values[0] is None:
            request({"override": dict.fromkeys([name], 0.0)})  # is there such a feature?
            self._override.pop(name, None)
        else:
            (target,) = request({"override": {name: values[0]}}).value.items()
            self._override[name] = (target[1], self._clock() + HELD_S)
        self._changed = True


def is_whole(data: bytes, depth: int = 0) -> bool:
    """Whether bundles are as long as they say, and not too deep.

    python-osc believes the sizes, and reads an element of -4 bytes for ever.
    """
    if not data.startswith(BUNDLE):
        return True
    at = BUNDLE_HEAD
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big", signed=True)
        element = data[at + 4 : at + 4 + max(size, 0)]
        if size <= 0 or len(element) < size or not is_whole(element, depth + 1):
            return False
        at += 4 + size
    return depth < MOST_BUNDLES


def _argument(where: str, values: list[Value]) -> object:
    """The value of a request; switches are 0 or 1 as well, for OSC 1.0 knows no booleans."""
    kind = where.removeprefix(f"{ROOT}/")
    if kind not in (*SWITCHES, "volume_db", "pack", "tone") or len(values) != 1:
        raise RequestError(f"{where!r:.80}: no such address, or not one value")
    value = values[0]
    if kind in SWITCHES and isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    return value
