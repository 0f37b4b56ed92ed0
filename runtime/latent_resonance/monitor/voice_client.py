"""The monitor's end of the link: connects to the voice, and reconnects after a failure.

Runs in the monitor's event loop. In: messages of the voice, and requests. Out: messages to the
broadcaster. Settings that staff have made (volume, mute, standby …) are sent again to a voice that
has restarted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.link.requests import Request, RequestError
from latent_resonance.link.telemetry import MAX_BYTES, TelemetryError, decode
from latent_resonance.linux.unix_socket import checked_address
from latent_resonance.monitor.broadcast import Broadcaster

RETRY_S = 0.5  # between two attempts to connect
TIMEOUT_S = 5.0  # a voice that sends nothing for this long has hung
QUEUE_LENGTH = 64  # requests
PERSISTENT = ("volume_db", "muted", "standby", "quiet", "pack", "correcting", "pairs", "anchors")


class VoiceUnavailableError(LatentResonanceError):
    """No voice can take the request."""


class VoiceClient:
    """The connection to one voice, across its restarts.

    Attributes
    ----------
    invalid_messages : number of messages that could not be decoded
    """

    def __init__(self, path: Path, broadcaster: Broadcaster, log: Callable[[str], None]) -> None:
        self.address, self.broadcaster, self.log = checked_address(path), broadcaster, log
        self.invalid_messages = 0
        self._persistent: dict[str, Request] = {}
        self._queue: asyncio.Queue[Request] = asyncio.Queue(QUEUE_LENGTH)

    def send(self, request: Request) -> None:
        """Queue a request; never blocks. A file that it has is closed once it has been passed on.

        Raises
        ------
        RequestError
            The voice has no such pack, or a take has no file.
        VoiceUnavailableError
            The voice is not connected, or does not read its requests.
        """
        report = self.broadcaster.report
        if request.kind == "pack" and report and request.value not in (None, *report.packs):
            raise RequestError(f"{request.value!r} is not one of {', '.join(report.packs)}")
        if request.kind == "take" and request.value and request.file is None:
            raise RequestError("a take needs a file to record into; it begins by POST /takes")
        if request.kind in PERSISTENT:
            self._persistent[request.kind] = request
        if not self.broadcaster.linked:
            raise VoiceUnavailableError(
                "the voice is not running; the setting is applied once it runs"
                if request.kind in PERSISTENT
                else "the voice is not running; try again once it runs"
            )
        try:
            self._queue.put_nowait(request)
        except asyncio.QueueFull:
            raise VoiceUnavailableError("the voice does not respond; try again") from None

    async def run(self) -> None:
        """Connect, receive and reconnect, for ever."""
        logged = False
        while True:
            try:
                await self._connect()
                logged = False
            except (OSError, TimeoutError):
                if self.broadcaster.linked or not logged:
                    logged = True
                    self.log("not connected to the voice; retrying")
            finally:
                self.broadcaster.on_disconnected()
            await asyncio.sleep(RETRY_S)

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as connection:
            connection.setblocking(False)
            await loop.sock_connect(connection, self.address)
            self.broadcaster.on_connected()
            self.log("connected to the voice")
            self._requeue_persistent()
            sending = loop.create_task(self._send_requests(connection))
            try:
                await self._receive(connection)
            finally:
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await sending

    def _requeue_persistent(self) -> None:
        """Discard outdated requests; queue the persistent settings."""
        while not self._queue.empty():
            _close_file(self._queue.get_nowait())
        for request in self._persistent.values():
            self._queue.put_nowait(request)

    async def _receive(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with asyncio.timeout(TIMEOUT_S):
                data = await loop.sock_recv(connection, MAX_BYTES + 1)
            if not data:
                return
            try:
                self.broadcaster.publish(decode(data))
            except TelemetryError:
                self.invalid_messages += 1

    async def _send_requests(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            request = await self._queue.get()
            if request.file is None:
                await loop.sock_sendall(connection, request.encode())
            else:
                await _send_with_file(connection, request, request.file)


async def _send_with_file(connection: socket.socket, request: Request, file: int) -> None:
    """Pass an open file on with a request (SCM_RIGHTS, unix(7)), and close it here."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            while True:
                with contextlib.suppress(BlockingIOError):
                    socket.send_fds(connection, [request.encode()], [file])
                    return
                await asyncio.sleep(RETRY_S / 10)
    finally:
        os.close(file)


def _close_file(request: Request) -> None:
    if request.file is not None:
        os.close(request.file)
