"""Addresses of peers, compared as addresses and never as text. Pure.

`::ffff:192.0.2.1`, `192.0.2.1` and a name that resolves to it are the same sender. A household or
a server has a whole /64 of IPv6 (RFC 6177), so limits count prefixes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
THIS_MACHINE = "this machine"  # the prefix of every loopback address
MAX_TEXT = 64  # characters of what is no address
IPV6_PREFIX = 64  # bits


def parse_address(text: str) -> IPAddress | None:
    """The address that a text names: without brackets and zone, IPv4 if it is mapped; or None."""
    try:
        address = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    mapped = getattr(address, "ipv4_mapped", None)
    return mapped or address


def prefix_of(text: str) -> str:
    """What limits are counted by: THIS_MACHINE, an IPv4 address, or the /64 of an IPv6 address.

    What is no address (the peer of a Unix socket) counts as itself.
    """
    address = parse_address(text)
    if address is None:
        return text[:MAX_TEXT]
    if address.is_loopback:
        return THIS_MACHINE
    if address.version == 4:
        return str(address)
    return str(ipaddress.ip_network((address, IPV6_PREFIX), strict=False))


class Proxies:
    """The reverse proxies whose X-Forwarded-For is believed.

    Parameters
    ----------
    networks : addresses and networks, from `monitor.trusted_proxies`
    """

    def __init__(self, networks: Iterable[str] = ()) -> None:
        self._networks: tuple[IPNetwork, ...] = tuple(map(ipaddress.ip_network, networks))

    def trusts(self, text: str) -> bool:
        """Whether an address is that of a proxy."""
        address = parse_address(text)
        return address is not None and any(address in network for network in self._networks)

    def client(self, peer: str, forwarded_for: Iterable[str]) -> str:
        """The address for which a peer speaks: its own, unless it is a proxy.

        Parameters
        ----------
        forwarded_for : values of the X-Forwarded-For headers, in order. The rightmost address that
            is not a proxy's counts: whatever is left of it, the client may have written itself
        """
        if not self.trusts(peer):
            return peer
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        for hop in reversed(hops):
            if parse_address(hop) is None:
                return peer
            if not self.trusts(hop):
                return hop
        return peer
