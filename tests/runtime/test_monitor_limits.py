"""What one address, one client and one minute can take: connections, pages, lines of the log."""

from __future__ import annotations

import resource
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.support.monitor_server import (
    ASK,
    HEALTHZ,
    TOKEN,
    UNAVAILABLE,
    Server,
    ask,
    monitor_server,
    status_of,
)

from latent_resonance.monitor import connections
from latent_resonance.monitor.addresses import THIS_MACHINE, Proxies, prefix_of
from latent_resonance.monitor.quota import Quota
from latent_resonance.monitor.refusals import LINES_PER_MINUTE, BoundedLog, Refusals

pytestmark = pytest.mark.realtime


def half_open(server: Server, count: int, source: str, stack: ExitStack) -> None:
    for _ in range(count):
        sock = stack.enter_context(server.connect(source))
        sock.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        time.sleep(0.001)  # a full backlog costs a second before the kernel tries again


@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_three_hundred_half_open_requests_leave_the_page_reachable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < 1024:
        pytest.skip("needs 1,024 descriptors for both ends: ulimit -n 1024")
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, hard))
    with monitor_server(tmp_path) as server, ExitStack() as stack:
        half_open(server, 300, source, stack)
        start_s = time.monotonic()
        assert status_of(server.exchange(HEALTHZ)) == UNAVAILABLE
        assert time.monotonic() - start_s < 2.0
        assert server.services.refusals.counts["connection", "over the limit"] >= 150


def test_there_is_always_room_for_descriptors_of_the_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for soft, expected in ((256, 128), (64, 16), (1024, 896), (10**6, 2048)):
        monkeypatch.setattr(resource, "getrlimit", lambda _which, n=soft: (n, n))
        assert connections.max_connections() == expected


def test_no_address_and_no_network_takes_all_places() -> None:
    quota = Quota(16)
    opened = {f"10.0.0.{n}": 0 for n in range(8)}
    for prefix in opened:
        while quota.admits(prefix):
            quota.open(prefix)
            opened[prefix] += 1
    assert max(opened.values()) == 4
    assert sum(opened.values()) == 12
    for _ in range(4):
        assert quota.admits(THIS_MACHINE)
        quota.open(THIS_MACHINE)
    assert not quota.admits(THIS_MACHINE)
    quota.close("10.0.0.0")
    assert quota.admits(THIS_MACHINE)
    assert quota.admits("10.0.0.99")


def test_addresses_are_counted_by_what_one_peer_can_have() -> None:
    assert prefix_of("::ffff:192.0.2.1") == prefix_of("192.0.2.1") != prefix_of("192.0.2.2")
    assert prefix_of("2001:db8::1") == prefix_of("2001:db8::ffff:1")
    assert prefix_of("2001:db8::1") != prefix_of("2001:db8:0:1::1")
    assert prefix_of("::1") == prefix_of("127.0.0.1") == prefix_of("::ffff:127.0.0.1")


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.0.0.1", ["192.0.2.7"], "192.0.2.7"),
        ("10.0.0.1", ["6.6.6.6, 192.0.2.7", "10.0.0.2"], "192.0.2.7"),  # 6.6.6.6 may be invented
        ("192.0.2.9", ["6.6.6.6"], "192.0.2.9"),  # no proxy
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["<script>"], "10.0.0.1"),
        ("::ffff:10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
    ],
)
def test_a_trusted_proxy_speaks_for_its_client(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert Proxies(["10.0.0.0/24"]).client(peer, forwarded_for) == client


def test_behind_a_proxy_the_guesses_of_one_client_lock_out_no_other(tmp_path: Path) -> None:
    def from_client(address: bytes, request: bytes) -> int:
        head = b"X-Forwarded-For: " + address + b"\r\nHost"
        return status_of(server.exchange(request.replace(b"Host", head)))

    with monitor_server(tmp_path, trusted_proxies=("127.0.0.1",)) as server:
        wrong = ask((TOKEN.encode(), b"x" * len(TOKEN)))
        assert [from_client(b"192.0.2.7", wrong) for _ in range(6)] == [401] * 5 + [429]
        assert from_client(b"192.0.2.8", ASK) == UNAVAILABLE  # the token is accepted


def test_one_address_opens_a_quarter_of_the_pages(tmp_path: Path) -> None:
    upgrade = (
        b"GET /picture HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: %s\r\n\r\n"
    )

    def opened(client: bytes, count: int, stack: ExitStack) -> list[int]:
        statuses = []
        for _ in range(count):
            sock = stack.enter_context(server.connect())
            sock.sendall(upgrade % client)
            statuses.append(status_of(sock.recv(4096)))
        return statuses

    proxied = {"viewers": 8, "trusted_proxies": ("127.0.0.1",)}
    with monitor_server(tmp_path, **proxied) as server, ExitStack() as stack:
        assert opened(b"192.0.2.1", 3, stack) == [101, 101, 503]
        assert opened(b"192.0.2.2", 2, stack) == [101, 101]
        assert opened(b"192.0.2.3", 3, stack) == [101, 101, 503]
        assert opened(b"192.0.2.4", 1, stack) == [503]  # the rest is this machine's
        assert opened(b"127.0.0.1", 3, stack) == [101, 101, 503]


def test_lines_a_minute_are_bounded_and_the_rest_is_counted() -> None:
    lines: list[str] = []
    now_s = 0.0
    log = BoundedLog(lines.append, lambda: now_s)
    for _ in range(1000):
        log("a line")
    assert len(lines) == LINES_PER_MINUTE
    now_s = 61.0
    log("another")
    assert lines[-2:] == [
        f"{1000 - LINES_PER_MINUTE} lines of the minute before were left out",
        "another",
    ]


def test_refusals_are_logged_in_one_line_a_minute() -> None:
    refusals, lines = Refusals(), []
    for second in range(180):
        for _ in range(10):
            refusals.count("http", "401", "192.0.2.7")
        lines.append(refusals.line(float(second)))
    written = [line for line in lines if line]
    assert len(written) == 3
    assert written[1] == "refused 600: 600 × http 401; last from 192.0.2.7"
    assert refusals.line(1000.0)
    assert refusals.line(2000.0) is None


def test_reasons_are_bounded() -> None:
    refusals = Refusals()
    for number in range(1000):
        refusals.count("osc", f"reason {number}")
    assert len(refusals.counts) < 50
    assert refusals.counts.total() == 1000
