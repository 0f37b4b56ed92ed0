"""The monitor's web pages and sockets, by aiohttp.

Runs in the monitor's event loop. In: requests, checked by `auth.py`, and the broadcaster's
messages. Out: two pages, spectrogram columns as binary messages, the state as JSON, metrics, and
requests to the voice. Nothing here handles an image or a landmark.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.typedefs import Handler, Middleware

from latent_resonance.audio.brightness import GENERATED, SOUND
from latent_resonance.link.requests import RequestError, parse_request
from latent_resonance.link.telemetry import Columns, Energies, Message, Report
from latent_resonance.monitor.auth import Authenticator, is_local_host, is_same_origin
from latent_resonance.monitor.broadcast import Broadcaster
from latent_resonance.monitor.health import healthz
from latent_resonance.monitor.metrics import Metrics
from latent_resonance.monitor.teaching import Teaching, TeachingError
from latent_resonance.monitor.voice_client import VoiceClient, VoiceUnavailableError

PAGE = Path(__file__).with_name("page")
MAX_BODY = 8 * 1024  # bytes of a POST request
MAX_PAGE_MESSAGE = 256  # bytes; pages have nothing to send on their sockets
MAX_PAGE_MESSAGES = 8  # after which a socket is closed
HEARTBEAT_S = 10.0
SEND_TIMEOUT_S = 15.0  # for a page to accept a message
ENERGIES_S = 0.1  # between those sent to a page
SECURITY = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "Server": "latent-resonance",
    "X-Content-Type-Options": "nosniff",
}
BRIGHTNESS = {"sound": SOUND.tolist(), "generated": GENERATED.tolist()}  # of each level
Stream = Callable[[web.WebSocketResponse, "Services"], Coroutine[None, None, None]]


@dataclass
class Services:
    """What the request handlers use.

    Attributes
    ----------
    names : host names of this machine
    max_pages, open_pages : limit on open pages, and their number
    max_hz : top of the frequency axis of the live spectrogram
    """

    broadcaster: Broadcaster
    voice: VoiceClient
    authenticator: Authenticator
    teaching: Teaching
    metrics: Metrics
    names: frozenset[str]
    max_pages: int
    max_hz: float
    open_pages: int = 0


def application(services: Services) -> web.Application:
    """The whole site."""
    site = web.Application(middlewares=[_check_host(services)], client_max_size=MAX_BODY)
    for path, name in (("/", "picture.html"), ("/staff", "staff.html")):
        site.router.add_get(path, _file(name))
    for file in sorted(PAGE.iterdir()):
        if file.suffix in (".js", ".css", ".svg"):
            site.router.add_get(f"/page/{file.name}", _file(file.name))
    site.router.add_get("/picture", lambda request: _websocket(request, services, _stream_columns))
    site.router.add_get("/state", lambda request: _websocket(request, services, _stream_state))
    site.router.add_post("/ask", lambda request: _control(request, services))
    site.router.add_post("/teach", lambda request: _teach(request, services))
    site.router.add_get("/metrics", lambda request: _metrics(request, services))
    site.router.add_get("/healthz", lambda request: _health(request, services))
    return site


def _check_host(services: Services) -> Middleware:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not is_local_host(request.headers.get("Host", ""), services.names):
                raise web.HTTPMisdirectedRequest(
                    text="not one of this machine's names; add it to monitor.names\n"
                )
            response = await handler(request)
        except web.HTTPException as error:
            error.headers.update(SECURITY)
            raise
        if not response.prepared:
            response.headers.update(SECURITY)
        return response

    return middleware


def _file(name: str) -> Handler:
    async def handler(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / name)

    return handler


async def _websocket(
    request: web.Request, services: Services, stream: Stream
) -> web.StreamResponse:
    """A page's socket; closed if the page does not read it, or sends too much."""
    if not is_same_origin(request.headers, required=True):
        raise web.HTTPForbidden(text="not from one of this machine's own pages\n")
    if services.open_pages >= services.max_pages:
        raise web.HTTPServiceUnavailable(
            text=f"{services.max_pages} pages are open; close one, or raise monitor.viewers\n"
        )
    page = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, compress=False, max_msg_size=MAX_PAGE_MESSAGE, timeout=1.0
    )
    services.open_pages += 1
    try:
        with services.metrics.open_pages.track_inprogress():
            await page.prepare(request)
            await _serve(page, stream(page, services))
    finally:
        services.open_pages -= 1
    return page


async def _serve(page: web.WebSocketResponse, stream: Coroutine[None, None, None]) -> None:
    """Stream to a page until it closes its socket."""
    streaming = asyncio.create_task(stream)
    try:
        await _read_until_closed(page, streaming)
    finally:
        streaming.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
            await streaming


async def _read_until_closed(page: web.WebSocketResponse, streaming: asyncio.Task[None]) -> None:
    """Read until the page leaves, the stream ends, or the page has sent too much."""
    streaming.add_done_callback(lambda _task: asyncio.ensure_future(page.close()))
    received = 0
    async for message in page:
        received += 1
        if received > MAX_PAGE_MESSAGES or message.type is WSMsgType.ERROR:
            await page.close(code=WSCloseCode.POLICY_VIOLATION)
            return


async def _stream_columns(page: web.WebSocketResponse, services: Services) -> None:
    """Send columns, preceded by their format whenever it has changed."""
    sent: dict[str, Any] | None = None
    with services.broadcaster.subscribe(Columns) as columns:
        while True:
            message = await columns.next()
            column_format = _column_format(services.broadcaster.report, services.max_hz)
            if column_format != sent:
                sent = column_format
                await _send(page.send_str(json.dumps(column_format)))
            await _send(page.send_bytes(message.encode()))


def _column_format(report: Report | None, max_hz: float) -> dict[str, Any]:
    """Rate, frequencies and brightness with which a page draws the columns."""
    of_levels = {"max_hz": max_hz, "brightness": BRIGHTNESS}
    if report is None:
        return of_levels
    return of_levels | {"columns_per_s": report.columns_per_s, "hz": report.picture_hz}


async def _stream_state(page: web.WebSocketResponse, services: Services) -> None:
    loop, energies_due_s = asyncio.get_running_loop(), 0.0
    await _send(page.send_str(_state_message(services, services.broadcaster.report)))
    with services.broadcaster.subscribe(Energies, Report) as state:
        while True:
            try:
                message = await asyncio.wait_for(state.next(), 1.0)
            except TimeoutError:
                await _send(page.send_str(_state_message(services, None)))
                continue
            if isinstance(message, Energies):
                if loop.time() < energies_due_s:
                    continue
                energies_due_s = loop.time() + ENERGIES_S
            await _send(page.send_str(_state_message(services, message)))


def _state_message(services: Services, message: Message | None) -> str:
    """A message of the voice for the staff page: JSON with a kind."""
    if isinstance(message, Energies):
        latency_s = None if math.isnan(message.latency_s) else message.latency_s
        content = {"kind": "energies", "features": message.named, "level_db": message.level_db}
        return json.dumps(content | {"latency_s": latency_s, "present": message.present})
    if isinstance(message, Report):
        report = asdict(message)
        for large in ("picture_hz", "z"):
            del report[large]
        teaching = services.teaching.state()
        counts = {"watching": services.open_pages, "damaged": services.voice.invalid_messages}
        return json.dumps({"kind": "report", "report": report, "teaching": teaching} | counts)
    return json.dumps({"kind": "link", "linked": services.broadcaster.linked})


async def _send(sending: Awaitable[None]) -> None:
    await asyncio.wait_for(sending, SEND_TIMEOUT_S)


async def _authorised_json(request: web.Request, services: Services) -> dict[str, Any]:
    """The body of a request with the token.

    Raises
    ------
    HTTPException
        The request is not permitted, or its body is not a JSON object.
    """
    if not is_same_origin(request.headers, required=False):
        raise web.HTTPForbidden(text="not from one of this machine's own pages\n")
    now_s, address = asyncio.get_running_loop().time(), request.remote or ""
    retry_after_s = services.authenticator.retry_after_s(address, now_s)
    if retry_after_s > 0.0:
        raise web.HTTPTooManyRequests(
            text=f"too many wrong tokens; wait {retry_after_s:.0f} s\n",
            headers={"Retry-After": str(int(retry_after_s) + 1)},
        )
    authorization = request.headers.get("Authorization", "")
    if not services.authenticator.accepts(authorization, address, now_s):
        raise web.HTTPUnauthorized(
            text="the token is wrong; `sudo latent-resonance doctor` shows it\n",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="should be application/json\n")
    try:
        content = await request.json()
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="not JSON\n") from error
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(text="should be one JSON object\n")
    return content


async def _control(request: web.Request, services: Services) -> web.Response:
    """A request to the voice; see `link/requests.py`."""
    content = await _authorised_json(request, services)
    try:
        control = parse_request(content)
        report = services.broadcaster.report
        if control.kind == "pack" and report and control.value not in report.packs:
            raise RequestError(f"{control.value!r} is not one of {', '.join(report.packs)}")
        services.voice.send(control)
    except RequestError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except VoiceUnavailableError as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
    return web.Response(status=204)


async def _teach(request: web.Request, services: Services) -> web.Response:
    """A step of teaching, see `teaching.py`; responds with the new state."""
    content = await _authorised_json(request, services)
    try:
        await services.teaching.do(content)
    except TeachingError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except VoiceUnavailableError as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
    return web.json_response(services.teaching.state())


async def _metrics(request: web.Request, services: Services) -> web.Response:
    body, content_type = services.metrics.exposition(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _health(_request: web.Request, services: Services) -> web.Response:
    status, content = healthz(services.broadcaster.report, services.broadcaster.age_s)
    return web.json_response(content, status=status)
