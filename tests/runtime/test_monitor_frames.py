"""Malformed WebSocket frames on the monitor's sockets: closed with a reason, and no line logged."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.monitor_server import Server, monitor_server, status_of

pytestmark = pytest.mark.realtime

HANDSHAKE = (
    b"GET %s HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
TEXT, CONTINUATION, CLOSE, PING, FINAL, COMPRESSED = 0x1, 0x0, 0x8, 0x9, 0x80, 0x40
BAD_PROTOCOL, BAD_TEXT, TOO_MUCH, TOO_MANY = 1002, 1007, 1009, 1008  # RFC 6455, 7.4.1


def frame(head: int, data: bytes = b"", length: int | None = None) -> bytes:
    """A masked frame, which may claim another length than it has."""
    length = len(data) if length is None else length
    size = struct.pack(">BQ", 0x80 | 127, length)
    if length < 126:
        size = struct.pack(">B", 0x80 | length)
    return bytes([head]) + size + bytes(4) + data  # a mask of zeros changes nothing


FRAMES = {
    "text that is none": (frame(FINAL | TEXT, b"\xff\xfe"), BAD_TEXT),
    "half a surrogate": (frame(FINAL | TEXT, b"\xed\xa0\x80"), BAD_TEXT),
    "text that breaks between fragments": (
        frame(TEXT, b"\xe2") + frame(FINAL | CONTINUATION, b"\x28"),
        BAD_TEXT,
    ),
    "a reserved bit": (frame(FINAL | 0x20 | TEXT, b"hi"), BAD_PROTOCOL),
    "compression that was not agreed": (frame(FINAL | COMPRESSED | TEXT, b"hi"), BAD_PROTOCOL),
    "an unknown kind": (frame(FINAL | 0xB), BAD_PROTOCOL),
    "a ping in fragments": (frame(PING, b"x"), BAD_PROTOCOL),
    "a ping that is too long": (frame(FINAL | PING, b"x" * 126), BAD_PROTOCOL),
    "a continuation of nothing": (frame(FINAL | CONTINUATION, b"x"), BAD_PROTOCOL),
    "a beginning within fragments": (frame(TEXT, b"a") + frame(FINAL | TEXT, b"b"), BAD_PROTOCOL),
    "a close of one byte": (frame(FINAL | CLOSE, b"\x03"), BAD_PROTOCOL),
    "a close with a reserved code": (frame(FINAL | CLOSE, struct.pack(">H", 1005)), BAD_PROTOCOL),
    "a close whose reason is no text": (frame(FINAL | CLOSE, b"\x03\xe8\xff"), BAD_TEXT),
    "a message that is too long": (frame(FINAL | TEXT, b"a" * 300), TOO_MUCH),
    "fragments without an end": (frame(TEXT, b"a") + frame(CONTINUATION, b"a") * 500, TOO_MUCH),
    "a claim of exabytes": (frame(FINAL | TEXT, length=2**62), TOO_MUCH),
    "a claim of a negative length": (frame(FINAL | TEXT, length=2**64 - 1), TOO_MUCH),
    "many messages": (frame(FINAL | TEXT) * 20, TOO_MANY),
}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with monitor_server(tmp_path) as running:
        yield running


@pytest.mark.parametrize("path", [b"/state", b"/picture"])
def test_a_malformed_frame_ends_its_socket_with_the_reason(server: Server, path: bytes) -> None:
    for name, (frames, code) in FRAMES.items():
        answer = server.exchange(HANDSHAKE % path + frames, timeout_s=0.5)
        assert status_of(answer) == 101, name
        assert answer.endswith(b"\x88\x02" + struct.pack(">H", code)), (name, answer[-8:])
    assert server.log == []
    assert "500" not in {reason for _, reason in server.services.refusals.counts}
