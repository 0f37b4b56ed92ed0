"""The monitor's end of the link: calls the voice, and calls again when it has gone.

Lives in the monitor's event loop. In: messages of the voice, and requests. Out: messages to the
hub. What a person set (volume, mute, standby …) is said again to a voice that has started afresh.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

from latent_resonance import LatentResonanceError
from latent_resonance.link.requests import Request
from latent_resonance.link.telemetry import LARGEST, TelemetryError, decode
from latent_resonance.linux.unix_socket import address_of
from latent_resonance.monitor.broadcast import Hub

AGAIN_S = 0.5  # between two calls
SILENT_S = 5.0  # a voice that says nothing for so long has hung
WAITING = 64  # requests
LASTING = ("volume_db", "muted", "standby", "quiet", "pack", "correcting", "pairs")


class VoiceGone(LatentResonanceError):  # noqa: N818  # says what happened
    """There is no voice that could do as asked."""


class VoiceLink:
    """One voice, wherever it is in its life.

    Attributes
    ----------
    damaged : messages that could not be read
    """

    def __init__(self, path: Path, hub: Hub, log: Callable[[str], None]) -> None:
        self.address, self.hub, self.log = address_of(path), hub, log
        self.damaged = 0
        self._wanted: dict[str, Request] = {}
        self._waiting: asyncio.Queue[Request] = asyncio.Queue(WAITING)

    def ask(self, request: Request) -> None:
        """Has the voice do something; never waits.

        Raises
        ------
        VoiceGone
            It is not there, or does not listen.
        """
        if request.kind in LASTING:
            self._wanted[request.kind] = request
        if not self.hub.linked:
            raise VoiceGone("the voice is not running; it is told as soon as it is")
        try:
            self._waiting.put_nowait(request)
        except asyncio.QueueFull:
            raise VoiceGone("the voice does not listen; try again") from None

    async def run(self) -> None:
        """Calls, listens and calls again, for ever."""
        said = False
        while True:
            try:
                await self._call()
                said = False
            except (OSError, TimeoutError):
                if self.hub.linked or not said:
                    said = True
                    self.log("no voice answers; calling again until one does")
            finally:
                self.hub.lost()
            await asyncio.sleep(AGAIN_S)

    async def _call(self) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as calling:
            calling.setblocking(False)
            await loop.sock_connect(calling, self.address)
            self.hub.connected()
            self.log("the voice answers")
            self._begin_again()
            asking = loop.create_task(self._pass_on(calling))
            try:
                await self._listen(calling)
            finally:
                asking.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError):
                    await asking

    def _begin_again(self) -> None:
        """Forgets what was asked in vain; asks for what was set."""
        while not self._waiting.empty():
            self._waiting.get_nowait()
        for request in self._wanted.values():
            self._waiting.put_nowait(request)

    async def _listen(self, calling: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            async with asyncio.timeout(SILENT_S):
                data = await loop.sock_recv(calling, LARGEST + 1)
            if not data:
                return
            try:
                self.hub.publish(decode(data))
            except TelemetryError:
                self.damaged += 1

    async def _pass_on(self, calling: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            request = await self._waiting.get()
            await loop.sock_sendall(calling, request.encode())
