"""Many viewers, one that hangs, one that floods, and invalid data: the sound is unaffected."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from contextlib import AsyncExitStack, closing, suppress

import aiohttp
import numpy as np
import pytest
from tests.support.gallery_process import Gallery
from tests.support.timing import PATIENCE

from latent_resonance.link.telemetry import Columns, decode
from latent_resonance.linux.process_usage import read_usage

pytestmark = [pytest.mark.realtime, pytest.mark.timeout(300)]
VIEWERS = 50
WATCH_S = 8.0
WINDOWS = 3  # the machine itself may be slow in one of them
HANDSHAKE = (
    "GET /{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: http://127.0.0.1:{port}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def open_socket(gallery: Gallery, path: str = "picture") -> socket.socket:
    """A page's socket, by hand, so that it can send anything."""
    sock = socket.create_connection(("127.0.0.1", gallery.port), timeout=5)
    sock.sendall(HANDSHAKE.format(path=path, port=gallery.port).encode())
    assert b" 101 " in sock.recv(4096)
    return sock


async def watch(gallery: Gallery, viewers: int) -> list[list[Columns]]:
    """The columns that each of several pages receives within WATCH_S."""

    async def one(page: aiohttp.ClientWebSocketResponse) -> list[Columns]:
        loop, columns = asyncio.get_running_loop(), []
        end_s = loop.time() + WATCH_S
        while loop.time() < end_s:
            message = await page.receive(timeout=WATCH_S)
            if message.type is aiohttp.WSMsgType.BINARY:
                columns.append(decode(message.data))
        return columns

    async with AsyncExitStack() as opened:
        session = await opened.enter_async_context(aiohttp.ClientSession())
        pages = [
            await opened.enter_async_context(
                session.ws_connect(f"{gallery.address}/picture", origin=gallery.address)
            )
            for _ in range(viewers)
        ]
        return await asyncio.gather(*map(one, pages))


def underflows(gallery: Gallery) -> int:
    return int(gallery.metric("latent_resonance_underflows_total"))


def cpu_s(gallery: Gallery) -> float:
    return read_usage(gallery.process.pid).cpu_s


@pytest.mark.alone
def test_many_viewers_do_not_load_the_voice(
    gallery: Gallery,
) -> None:
    start_s = cpu_s(gallery)
    asyncio.run(watch(gallery, 1))
    alone_s = cpu_s(gallery) - start_s
    underflow_counts, cpu_ratios = [], []
    with (
        closing(open_socket(gallery)) as _hanging_page,
        closing(open_socket(gallery)) as flooding_page,
    ):
        for _ in range(WINDOWS):
            with suppress(OSError):
                flooding_page.sendall(os.urandom(65_536))
            before, start_s = underflows(gallery), cpu_s(gallery)
            received = asyncio.run(watch(gallery, VIEWERS))
            underflow_counts.append(underflows(gallery) - before)
            cpu_ratios.append((cpu_s(gallery) - start_s) / alone_s)
            if underflow_counts[-1] == 0:
                break
    assert min(underflow_counts) == 0, underflow_counts
    assert min(cpu_ratios) < 1.25, cpu_ratios  # of the time for one viewer, plus noise
    expected = WATCH_S * 46.875
    for columns in received:
        assert len(columns) > 10
        assert sum(len(each.levels) for each in columns) > 0.6 * expected / PATIENCE
        numbers = [each.sequence for each in columns]
        assert (np.diff(numbers) > 0).all()


def test_a_page_of_another_origin_is_refused_with_the_reason(gallery: Gallery) -> None:
    status, body, _ = gallery.request(
        "GET",
        "/picture",
        Origin="http://elsewhere.example",
        Upgrade="websocket",
        Connection="Upgrade",
    )
    assert status == 403
    assert b"own pages" in body


def test_invalid_requests_are_refused_with_the_reason(gallery: Gallery) -> None:
    right = {"Authorization": f"Bearer {gallery.token}"}
    wrong_origin = right | {"Origin": "http://elsewhere.example"}
    for headers, content, status in (
        (right, {"volume_db": 12}, 400),
        (right, {"pack": "gamma"}, 400),
        (right, {"reboot": True}, 400),
        (right, [1], 400),
        (right, {"pack": "x" * 10_000}, 413),
        (right | {"Content-Type": "text/plain"}, {"muted": True}, 415),
        (wrong_origin, {"muted": True}, 403),
        ({}, {"muted": True}, 401),
        ({"Host": "elsewhere.example"}, {"muted": True}, 421),
    ):
        actual, body, _ = gallery.request("POST", "/ask", content, **headers)
        assert actual == status, (headers, content, body)
        assert b"Traceback" not in body


def test_every_response_has_the_security_headers(gallery: Gallery) -> None:
    for path in ("/", "/staff", "/page/staff.js", "/healthz", "/nowhere"):
        _, _, headers = gallery.request("GET", path)
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "camera=()" in headers["Permissions-Policy"]


def test_guessing_the_token_is_slowed_down(gallery: Gallery) -> None:
    statuses = [
        gallery.request("POST", "/ask", {"muted": True}, Authorization=f"Bearer guess-{n}")[0]
        for n in range(8)
    ]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    _, _, headers = gallery.request("POST", "/ask", {"muted": True}, Authorization="Bearer x")
    assert int(headers["Retry-After"]) >= 1


# What comes now counts as wrong tokens, so that the address has to wait.


def frame(opcode: int, payload: bytes) -> bytes:
    """A masked frame (RFC 6455, section 5.2); the mask is zero."""
    n = len(payload)
    size = bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack(">H", n)
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


@pytest.mark.parametrize("path", ["picture", "state"])
def test_a_page_that_sends_data_is_closed_and_garbage_affects_only_itself(
    gallery: Gallery, path: str
) -> None:
    rng = np.random.default_rng(7)
    garbage = [
        frame(1, b"hello") * 20,
        frame(2, bytes(5000)),
        frame(3, b"unknown"),
        frame(8, b"\x00"),
        b"\x81\xff" + struct.pack(">Q", 2**62),
        *(rng.bytes(int(n)) for n in rng.integers(1, 4000, 30)),
    ]
    for data in garbage:
        with closing(open_socket(gallery, path)) as page, suppress(ConnectionError):
            page.sendall(data)
    with closing(open_socket(gallery, path)) as page:
        page.sendall(frame(1, b"hello") * 20)
        page.settimeout(5 * PATIENCE)
        with suppress(ConnectionError):
            while page.recv(65_536):
                pass
    assert gallery.healthz()["healthy"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"a" * 100_000,
        b"POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999999\r\n\r\n{}",
        b"GET /%00/../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x00" * 4096,
    ],
)
def test_garbage_on_the_port_affects_only_itself(gallery: Gallery, data: bytes) -> None:
    address = ("127.0.0.1", gallery.port)
    with socket.create_connection(address, timeout=5) as sock, suppress(ConnectionError):
        sock.sendall(data)
        assert b"root:" not in sock.recv(65_536)
    assert gallery.healthz()["healthy"]
