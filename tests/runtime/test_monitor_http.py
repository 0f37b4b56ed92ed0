"""HTTP on a hostile network: malformed heads, bodies, and clients that leave."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import strategies as st
from tests.support.fuzz import damaged, fuzz, fuzzed
from tests.support.monitor_server import (
    ASK,
    BODY,
    HEALTHZ,
    TOKEN,
    UNAVAILABLE,
    Server,
    ask,
    monitor_server,
    status_of,
)
from tests.support.timing import until

pytestmark = pytest.mark.realtime

HANDSHAKE = (
    b"GET /state HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\n"
    b"Upgrade: websocket\r\nConnection: Upgrade, close\r\n"
)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with monitor_server(tmp_path) as running:
        yield running


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
    for head in (
        b"GET /healthz HTTP/1.0",
        b"GET /healthz HTTP/1.1\r\nHost:",
        b"OPTIONS /healthz HTTP/1.0",  # HAProxy's own, where no method is named
    ):
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
