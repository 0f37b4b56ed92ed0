"""The monitor's web server in this process, on a port of its own, without a voice."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from latent_resonance.config.monitor import Monitor
from latent_resonance.config.settings import Settings
from latent_resonance.monitor import app
from latent_resonance.monitor.refusals import BoundedLog
from latent_resonance.monitor.services import Services

TOKEN = "a-token-of-some-length"
TIMEOUT_S = 5.0
HEALTHZ = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"
BODY = b'{"muted": true}'
ASK = (
    b"POST /ask HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nConnection: close\r\n"
    b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    % (TOKEN.encode(), len(BODY), BODY)
)
UNAVAILABLE = 503  # the status while no voice runs


@dataclass
class Server:
    """A running server: its port, its services and what it has logged."""

    port: int
    services: Services
    loop: asyncio.AbstractEventLoop
    log: list[str] = field(default_factory=list)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection from an address of this machine (all of 127.0.0.0/8 are)."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=TIMEOUT_S, source_address=(source, 0)
        )

    def exchange(
        self, data: bytes, source: str = "127.0.0.1", timeout_s: float = TIMEOUT_S
    ) -> bytes:
        """Send bytes; all that comes back until the server closes or is silent for a while."""
        received = b""
        with self.connect(source) as sock, contextlib.suppress(ConnectionError, TimeoutError):
            sock.settimeout(timeout_s)
            sock.sendall(data)
            while part := sock.recv(65_536):
                received += part
        return received

    def call(self, function: object, *args: object) -> object:
        """Call a function in the event loop."""

        async def run() -> object:
            return function(*args)  # type: ignore[operator]

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(TIMEOUT_S)


def ask(*replaced: tuple[bytes, bytes]) -> bytes:
    """A request with the token, changed in places."""
    request = ASK
    for old, new in replaced:
        assert old in request
        request = request.replace(old, new)
    return request


def status_of(answer: bytes) -> int:
    """Status code of a response; 0 without one."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


@contextlib.contextmanager
def monitor_server(folder: Path, **monitor: object) -> Iterator[Server]:
    """Serve within the context."""
    token_file = folder / "monitor-token"
    token_file.write_text(TOKEN)
    token_file.chmod(0o600)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    settings = Settings(monitor=Monitor(port=port, token_file=str(token_file), **monitor))
    servers: list[Server] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve() -> None:
        log: list[str] = []
        bounded = BoundedLog(log.append)
        app.log_loop_errors(bounded)
        services = app.make_services(settings, folder / "voice.sock", bounded)
        async with app.web_server(services, settings.monitor, bounded):
            servers.append(Server(port, services, asyncio.get_running_loop(), log))
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=[serve()])
    thread.start()
    try:
        assert ready.wait(TIMEOUT_S)
        yield servers[0]
    finally:
        stop.set()
        thread.join()
