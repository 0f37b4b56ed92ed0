"""The monitor's port on a hostile network: bounds, malformed heads, and what needs the token."""

from __future__ import annotations

import asyncio
import json
import resource
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import aiohttp
import pytest
from hypothesis import strategies as st
from tests.support.fuzz import damaged, fuzz, fuzzed
from tests.support.monitor_server import TOKEN, Server, monitor_server, status_of
from tests.support.status_reports import PLAYING, energies
from tests.support.timing import until

from latent_resonance.monitor import connections
from latent_resonance.monitor.addresses import THIS_MACHINE, Proxies, prefix_of
from latent_resonance.monitor.quota import Quota
from latent_resonance.monitor.refusals import LINES_PER_MINUTE, BoundedLog, Refusals

pytestmark = pytest.mark.realtime

HEALTHZ = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"
BODY = b'{"muted": true}'
ASK = (
    b"POST /ask HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (TOKEN.encode(), len(BODY), BODY)
)
HANDSHAKE = (
    b"GET /state HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
)
UNAVAILABLE = 503  # no voice runs in these tests


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with monitor_server(tmp_path) as running:
        yield running


def ask(*replaced: tuple[bytes, bytes]) -> bytes:
    """A request with the token, changed in places."""
    request = ASK
    for old, new in replaced:
        assert old in request
        request = request.replace(old, new)
    return request


MALFORMED = {
    "authorization that is no text": (ask((b"Bearer ", b"Bearer \xff\xfe")), 400),
    "authorization of another scheme": (ask((b"Bearer ", b"Basic ")), 401),
    "authorization that is empty": (ask((b"Bearer " + TOKEN.encode(), b"")), 401),
    "an unknown charset": (ask((b"json\r\n", b"json; charset=klingon\r\n")), UNAVAILABLE),
    "a charset that is no text": (ask((b"json\r\n", b"json; charset=\xff\r\n")), 400),
    "a body that is no text": (ask((b'"muted"', b'"\xff\xfe\xfd\xfc\xfb"')), 400),
    "a body that is no JSON": (ask((BODY, b"[" * len(BODY))), 400),
    "a content type that is no type": (ask((b"application/json", b"/;=;")), 415),
    "an origin that is no address": (ask((b"Host", b"Origin: http://[\r\nHost")), 403),
    "an origin that is no text": (ask((b"Host", b"Origin: \xff\r\nHost")), 400),
    "a host that is no text": (ask((b"localhost", b"\xff\xfe")), 400),
    "a host that is no address": (ask((b"localhost", b"[::1")), 421),
    "a host with a user": (ask((b"localhost", b"user@localhost")), 421),
    "a host with a path": (ask((b"localhost", b"localhost/evil")), 421),
    "a host with a port that is none": (ask((b"localhost", b"127.0.0.1:abc")), 421),
    "a host with more than brackets": (ask((b"localhost", b"[::1]evil")), 421),
    "a target on another machine": (ask((b" /ask", b" http://evil.example/ask")), 421),
    "a target with a user": (ask((b" /ask", b" http://user@localhost/ask")), 421),
    "a target on this machine": (ask((b" /ask", b" http://localhost:80/ask")), UNAVAILABLE),
    "two authorizations": (ask((b"Host", b"Authorization: x\r\nHost")), 400),
    "two origins": (
        ask((b"Host", b"Origin: http://localhost\r\nOrigin: http://evil.example\r\nHost")),
        400,
    ),
    "two transfer codings": (
        ask((b"Content-Length: 15", b"Transfer-Encoding: gzip, chunked")),
        400,
    ),
    "chunks in HTTP/1.0": (
        ask((b"Content-Length: 15", b"Transfer-Encoding: chunked"), (b"/1.1", b"/1.0")),
        400,
    ),
    "a body that is too long": (ask((b"Length: 15", b"Length: 1000000000000")), 413),
    "a method that is none of it": (ask((b"POST", b"PUT")), 405),
    "a page that is none": (ask((b"/ask", b"/%2e%2e/etc/passwd")), 404),
    "a handshake without a key": (
        HANDSHAKE + b"\r\n",
        400,
    ),
    "a handshake with a long key": (
        HANDSHAKE + b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % (b"A" * 5000),
        400,
    ),
    "two hosts": (ask((b"Host", b"Host: localhost\r\nHost")), 400),
    "no host": (ask((b"Host: localhost\r\n", b"")), 400),
    "a compressed body": (ask((b"Host", b"Content-Encoding: gzip\r\nHost")), UNAVAILABLE),
    "an expectation": (ask((b"Host", b"Expect: everything\r\nHost")), 417),
    "an expectation that is no text": (ask((b"Host", b"Expect: \xf9\r\nHost")), 400),
    "a forwarded address that is none": (ask((b"Host", b"X-Forwarded-For: \x7f,,\r\nHost")), 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "no method": (b"\x00\x00\x00\r\n\r\n", 400),
    "a long line": (b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 400),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_head_is_answered_in_one_short_line(server: Server, name: str) -> None:
    request, status = MALFORMED[name]
    answer = server.exchange(request, timeout_s=0.5)  # a body that is claimed is waited for
    assert status_of(answer) == status, answer
    head, _, body = answer.partition(b"\r\n\r\n")
    assert len(body) < 150
    assert body.count(b"\n") == 1
    assert b"Server: latent-resonance\r\n" in head
    assert b"X-Content-Type-Options: nosniff" in head
    assert not any("failed" in line or "Error" in line for line in server.log)
    counted = {reason: n for (by, reason), n in server.services.refusals.counts.items()}
    assert counted[str(status)] >= 1
    assert "500" not in counted


def test_a_probe_without_host_is_answered_and_a_page_without_host_is_not(server: Server) -> None:
    for head in (b"GET /healthz HTTP/1.0", b"GET /healthz HTTP/1.1\r\nHost:"):
        probe = server.exchange(head + b"\r\n\r\n")
        assert status_of(probe) == UNAVAILABLE
        assert b"no report from the voice" in probe
    assert status_of(server.exchange(b"GET /staff HTTP/1.1\r\nHost:\r\n\r\n")) == 421
    assert status_of(server.exchange(b"GET /staff HTTP/1.0\r\n\r\n")) == 400
    assert status_of(server.exchange(b"GET /metrics HTTP/1.0\r\nHost: evil.example\r\n\r\n")) == 421


def test_a_client_that_leaves_within_its_body_is_no_error_of_ours(server: Server) -> None:
    assert server.exchange(ASK[:-1], timeout_s=0.05) == b""
    assert status_of(server.exchange(HEALTHZ)) == UNAVAILABLE
    until(lambda: server.services.refusals.counts, 5, "a refusal")
    assert server.services.refusals.counts == {("http", "400"): 1}
    assert server.log == []


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
def test_another_version_of_http_is_refused(server: Server, version: bytes) -> None:
    answer = server.exchange(b"GET / HTTP/%s\r\nHost: localhost\r\n\r\n" % version)
    assert b" 400 " in answer.partition(b"\r\n")[0]
    assert b"<html" not in answer


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@fuzzed
def test_no_body_with_the_token_ends_in_an_error_of_ours(server: Server) -> None:
    def check(path: bytes, key: str, kind: object, name: str, value: object) -> None:
        body = json.dumps({key: kind} if path == b"/ask" else {key: kind, name: value}).encode()
        length = b"Length: %d\r\n\r\n%s" % (len(body), body)
        request = ask((b"/ask", path), (b"Length: 15\r\n\r\n" + BODY, length))
        answer = server.exchange(request)
        assert status_of(answer) in (200, 204, 400, 413, UNAVAILABLE), answer
        if status_of(answer) == 400:
            assert len(answer.partition(b"\r\n\r\n")[2]) < 400

    fuzz(
        check,
        st.sampled_from([b"/ask", b"/teach", b"/maintain", b"/takes"]),
        st.sampled_from(["do", "kind", "z", "pack", "volume_db", "override", "pairs", "anchors"]),
        st.sampled_from(("settings", "read", "stop", "delete", "near", "keep", "direction", "map"))
        | ANY_JSON,
        st.sampled_from(["value", "name", "index", "place", "z"]),
        ANY_JSON,
    )
    assert server.log == []


def heads() -> st.SearchStrategy[bytes]:
    """Heads of HTTP requests: paths, headers and values of every kind, lines cut anywhere."""
    names = st.sampled_from(
        b"Host,Origin,Authorization,Content-Type,Content-Length,Transfer-Encoding,Accept,Expect,"
        b"Connection,Upgrade,Sec-WebSocket-Key,Sec-WebSocket-Version,Sec-WebSocket-Protocol,Range,"
        b"Sec-WebSocket-Extensions,X-Forwarded-For,Content-Encoding,If-Modified-Since,If-None-Match,"
        b"Cookie,Accept-Encoding".split(b",")
    )
    values = st.binary(max_size=30) | st.sampled_from(
        b"localhost,http://localhost,13,chunked,-1,99999999999999999999,websocket,upgrade,bytes=5-,"
        b"bytes=-1,gzip,application/openmetrics-text; version=x,text/plain;q=a,close,100-continue,"
        b"permessage-deflate; server_max_window_bits=99,dGhlIHNhbXBsZSBub25jZQ==,[::1,0".split(b",")
    )
    lines = st.lists(st.tuples(names, values).map(b": ".join), max_size=8).map(b"\r\n".join)
    paths = st.sampled_from(
        b"/,/staff,/state,/picture,/ask,/teach,/metrics,/healthz,/page/staff.js,*,/%00,/..,//,"
        b"http://localhost/,/?%ff,".split(b",")
    )
    starts = st.tuples(st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"OPTIONS"]), paths)
    return st.tuples(starts.map(b" ".join), st.sampled_from([b"1.1", b"1.0", b"9"]), lines).map(
        lambda parts: b"%s HTTP/%s\r\nHost: localhost\r\n%s\r\n\r\n" % parts
    )


@fuzzed
def test_no_bytes_end_in_an_error_of_ours_or_in_the_journal(server: Server) -> None:
    refusals = server.services.refusals

    def check(data: bytes) -> None:
        server.exchange(data, timeout_s=0.02)  # half a head has no answer
        assert status_of(server.exchange(HEALTHZ)) == UNAVAILABLE
        assert not {"500", "501", "502"} & {reason for _, reason in refusals.counts}

    fuzz(check, heads() | damaged(ASK) | damaged(HEALTHZ) | st.binary(max_size=200))
    assert server.log == []


# Bounds


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


# The journal


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


# The token


def state_messages(
    server: Server, text: str | None = None, **headers: str
) -> list[dict[str, object]]:
    """What a page receives on /state while the voice reports a visitor."""

    async def read() -> list[dict[str, object]]:
        address = f"http://127.0.0.1:{server.port}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(f"{address}/state", origin=address, headers=headers) as page,
        ):
            await page.receive_json(timeout=5)
            if text is not None:
                await page.send_str(text)
            received = []
            for _ in range(8):
                await asyncio.sleep(0.05)
                server.call(server.services.broadcaster.publish, energies(0.05))
                server.call(server.services.broadcaster.publish, PLAYING)
                received.append(await page.receive_json(timeout=5))
            return received

    return asyncio.run(read())


def test_without_the_token_state_tells_only_what_the_wall_shows(server: Server) -> None:
    server.call(server.services.broadcaster.on_connected)
    for text in (None, "Bearer not-the-token-at-all", "hello"):
        received = state_messages(server, text)
        assert received == [{"kind": "public", "state": "playing"}] * len(received)
        answer = json.dumps(received)
        assert "mouth_open" not in answer
        assert "visits" not in answer


@pytest.mark.parametrize("by", ["message", "header"])
def test_with_the_token_state_tells_features_and_report(server: Server, by: str) -> None:
    server.call(server.services.broadcaster.on_connected)
    bearer = f"Bearer {TOKEN}"
    received = (
        state_messages(server, bearer)
        if by == "message"
        else state_messages(server, Authorization=bearer)
    )
    kinds = {message["kind"] for message in received}
    assert {"energies", "report"} <= kinds
    (features,) = [m["features"] for m in received if m["kind"] == "energies"][:1]
    assert len(features) == 16


def test_a_wrong_token_in_the_head_of_a_page_is_refused(server: Server) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        state_messages(server, Authorization="Bearer not-the-token-at-all")
    assert caught.value.status == 401


def test_guesses_on_pages_share_the_back_off_with_requests(server: Server) -> None:
    for _ in range(5):
        state_messages(server, "Bearer not-the-token-at-all")
    assert status_of(server.exchange(ASK)) == 429


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
