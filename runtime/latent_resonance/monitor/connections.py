"""The connections of the web server: bounded, and closed when others need their place.

Runs in the monitor's event loop. A connection that serves no request at the moment (half-open,
idle) is the first to go; a page that is being served stays. Descriptors are kept free for the
program itself, so that `accept` does not fail.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from latent_resonance.monitor.addresses import THIS_MACHINE, Proxies, prefix_of
from latent_resonance.monitor.head import SECURITY, put_in_our_words
from latent_resonance.monitor.quota import Quota

RESERVED_DESCRIPTORS = 128  # of the program, its files, and those accepted in one go (BACKLOG)
MIN_CONNECTIONS, MAX_CONNECTIONS = 16, 2048
BACKLOG = 64  # accepted in one go, before any of them can be refused
KEEPALIVE_S = 15.0  # for the first request to be complete, and between two
REFUSED_TEXT = {
    HTTPStatus.BAD_REQUEST: "not a valid HTTP request\n",
    HTTPStatus.INTERNAL_SERVER_ERROR: "the monitor has failed here; its journal says why\n",
}
Count = Callable[[str, str, str], None]


def max_connections() -> int:
    """Number of connections that the limit on descriptors (ulimit -n) has room for."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(max(soft - RESERVED_DESCRIPTORS, MIN_CONNECTIONS), MAX_CONNECTIONS)


class Connections:
    """All open connections, the oldest first.

    Parameters
    ----------
    quota : bounds by prefix
    proxies : may hold the whole share of the network, as they speak for many
    count : counts a refusal, by boundary, reason and address
    """

    def __init__(self, quota: Quota, proxies: Proxies, count: Count) -> None:
        self.quota, self.proxies, self.count = quota, proxies, count
        self._open: dict[Connection, str] = {}
        self._proxied = itertools.count()

    def admit(self, connection: Connection, address: str) -> bool:
        """Take a connection up, closing idle ones if there is no room; False if there is none."""
        prefix = self._prefix(address)
        while not self.quota.admits(prefix):
            idle = self._oldest_idle(prefix)
            self.count("connection", "over the limit", address)
            if idle is None:
                return False
            self.forget(idle)
            idle.abort()
        self._open[connection] = prefix
        self.quota.open(prefix)
        return True

    def forget(self, connection: Connection) -> None:
        """A connection is closed."""
        prefix = self._open.pop(connection, None)
        if prefix is not None:
            self.quota.close(prefix)

    def _prefix(self, address: str) -> str:
        # Each connection of a proxy counts for itself: only the share of the network bounds them.
        trusted = self.proxies.trusts(address)
        return f"proxy {next(self._proxied)}" if trusted else prefix_of(address)

    def _oldest_idle(self, prefix: str) -> Connection | None:
        """The connection that makes room for one of this prefix, if there is one."""
        rivals = self._rivals(prefix)
        return next((connection for connection in rivals if not connection.busy), None)

    def _rivals(self, prefix: str) -> Iterator[Connection]:
        """Those that may make room: of the same prefix if it holds too many, or of the network."""
        only_own = self.quota.exhausted_by(prefix)
        for connection, other in self._open.items():
            if other == prefix if only_own else prefix == THIS_MACHINE or other != THIS_MACHINE:
                yield connection


class Connection(web.RequestHandler):
    """aiohttp's connection, admitted by Connections; answers what is not HTTP in one line.

    Attributes
    ----------
    busy : whether it serves a request
    """

    __slots__ = ("_admitted", "_connections", "busy")

    def __init__(
        self,
        server: web.Server,
        connections: Connections,
        loop: asyncio.AbstractEventLoop,
        logger: logging.Logger,
    ) -> None:
        # A compressed request is never needed, and a small one may hold gigabytes.
        super().__init__(
            server,
            loop=loop,
            logger=logger,
            access_log=None,  # type: ignore[arg-type]  # None is documented: no access log
            keepalive_timeout=KEEPALIVE_S,
            auto_decompress=False,
        )
        self.busy, self._admitted, self._connections = False, False, connections

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Serve the connection if there is room for it."""
        self._admitted = self._connections.admit(self, _address(transport))
        if self._admitted:
            super().connection_made(transport)
        elif isinstance(transport, asyncio.Transport):
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Give its place back."""
        if self._admitted:
            self._connections.forget(self)
            super().connection_lost(exc)

    def abort(self) -> None:
        """Close it at once."""
        if isinstance(self.transport, asyncio.Transport):
            self.transport.abort()

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Busy within the context."""
        self.busy = True
        try:
            yield
        finally:
            self.busy = False

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response, a refusal in our words."""
        if isinstance(resp, web.HTTPException):
            put_in_our_words(resp)
        return await super().finish_response(request, resp, start_time)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """One short line, whatever the fault; aiohttp's own text repeats the client's bytes."""
        if _is_of_client(exc):
            status, exc = HTTPStatus.BAD_REQUEST, HttpProcessingError(message="no text")
        response = super().handle_error(request, status, exc, message)
        text = REFUSED_TEXT.get(HTTPStatus(response.status), "the request cannot be served\n")
        short = web.Response(status=response.status, text=text, headers=SECURITY)
        short.force_close()
        self._connections.count("http", str(response.status), request.remote or "")
        return short


def _is_of_client(exc: BaseException | None) -> bool:
    """Whether the client's bytes are the cause: aiohttp decodes what is no UTF-8 to surrogates."""
    return isinstance(exc, UnicodeEncodeError) and exc.reason == "surrogates not allowed"


def _address(transport: asyncio.BaseTransport) -> str:
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""
