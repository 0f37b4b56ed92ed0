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
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.typedefs import Handler, Middleware

from latent_resonance.audio.brightness import GENERATED, SOUND
from latent_resonance.link.requests import RequestError, parse_request
from latent_resonance.link.telemetry import Columns, Energies, Message, Report
from latent_resonance.monitor.access import (
    MAX_BODY,
    authorised_json,
    body_of,
    check_authorised,
    check_token,
)
from latent_resonance.monitor.addresses import prefix_of
from latent_resonance.monitor.auth import is_same_origin
from latent_resonance.monitor.connections import Connection
from latent_resonance.monitor.examples_exchange import MAX_BYTES as MAX_EXAMPLES_BYTES
from latent_resonance.monitor.head import SECURITY, check_head
from latent_resonance.monitor.health import health_of, healthz
from latent_resonance.monitor.maintenance_page import maintain
from latent_resonance.monitor.services import Services
from latent_resonance.monitor.takes_page import do_with_takes, download_take
from latent_resonance.monitor.teaching import TeachingError
from latent_resonance.monitor.translations import (
    LANGUAGES,
    Table,
    preferred_language,
    read_strings,
    strings_of,
    translated_page,
)
from latent_resonance.monitor.voice_client import VoiceUnavailableError

PAGE = Path(__file__).with_name("page")
MAX_PAGE_MESSAGE = 256  # bytes; pages have nothing to send on their sockets
MAX_PAGE_MESSAGES = 8  # after which a socket is closed
HEARTBEAT_S = 10.0
SEND_TIMEOUT_S = 15.0  # for a page to accept a message
ENERGIES_S = 0.1  # between those sent to a page
BRIGHTNESS = {"sound": SOUND.tolist(), "generated": GENERATED.tolist()}  # of each level
Stream = Callable[["Page", "Services"], Coroutine[None, None, None]]


@dataclass
class Page:
    """An open page.

    Attributes
    ----------
    trusted : whether it has given the token, without which it gets what the wall display shows
    """

    socket: web.WebSocketResponse
    client: str
    trusted: bool = False


def application(services: Services) -> web.Application:
    """The whole site."""
    site = web.Application(middlewares=[_check_head(services)], client_max_size=MAX_BODY)
    site.on_response_prepare.append(_complete_response(services))
    strings = read_strings()
    site.router.add_get("/", _page("picture.html", strings, services, services.wall_language))
    site.router.add_get("/staff", _page("staff.html", strings, services))
    for language in LANGUAGES:
        site.router.add_get(f"/page/strings-{language}.json", _table(strings, language))
    for file in sorted(PAGE.iterdir()):
        if file.suffix in (".js", ".css", ".svg"):
            site.router.add_get(f"/page/{file.name}", _file(file.name))
    for path, stream in (("/picture", _stream_columns), ("/state", _stream_state)):
        site.router.add_get(path, _websocket(services, stream))
    site.router.add_post("/ask", _with(services, _control))
    site.router.add_post("/teach", _with(services, _teach))
    site.router.add_post("/maintain", _with(services, maintain))
    site.router.add_get("/examples", _with(services, _export_examples))
    site.router.add_post("/examples", _with(services, _import_examples))
    site.router.add_post("/takes", _with(services, do_with_takes))
    site.router.add_get("/takes/{name}", _with(services, download_take))
    site.router.add_get("/metrics", _with(services, _metrics))
    health = _with(services, _health)
    site.router.add_get("/healthz", health)
    site.router.add_options("/healthz", health)  # HAProxy's `option httpchk /healthz`
    return site


def _check_head(services: Services) -> Middleware:
    """Refuse a head that no handler should see, and mark the connection as busy."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        check_head(request, services.names)
        with _busy(request):
            return await handler(request)

    return middleware


@contextlib.contextmanager
def _busy(request: web.Request) -> Iterator[None]:
    connection = request.protocol
    with connection.serving() if isinstance(connection, Connection) else contextlib.nullcontext():
        yield


def _complete_response(
    services: Services,
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """Signal handler: the security headers of every response, and a count of refusals."""

    async def complete(request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(SECURITY)
        if response.status >= HTTPStatus.BAD_REQUEST and request.path != "/healthz":
            services.refusals.count("http", str(response.status), services.client(request))

    return complete


def _with(
    services: Services, handle: Callable[[web.Request, Services], Awaitable[web.StreamResponse]]
) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        return await handle(request, services)

    return handler


def _file(name: str) -> Handler:
    async def handler(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / name)

    return handler


def _page(name: str, strings: Table, services: Services, language: str | None = None) -> Handler:
    """A page in one language, or by default in the one that the browser asks for."""
    html = (PAGE / name).read_text(encoding="utf-8")

    async def handler(request: web.Request) -> web.Response:
        chosen = language or preferred_language(request.headers.get("Accept-Language", ""))
        text = translated_page(html, strings, chosen, services.wall_palette or "")
        headers = {"Content-Language": chosen, "Vary": "Accept-Language"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    return handler


def _table(strings: Table, language: str) -> Handler:
    table = strings_of(strings, language)

    async def handler(_request: web.Request) -> web.Response:
        return web.json_response(table)

    return handler


def _websocket(services: Services, stream: Stream) -> Handler:
    """A page's socket; closed if the page does not read it, or sends too much."""

    async def handler(request: web.Request) -> web.StreamResponse:
        if not is_same_origin(request.headers, required=True):
            raise web.HTTPForbidden(text="not from one of this machine's own pages\n")
        page = Page(_page_socket(), services.client(request))
        authorization = request.headers.get("Authorization")
        if authorization is not None:
            check_token(authorization, page.client, services)
            page.trusted = True
        with _place(services, page.client):
            await page.socket.prepare(request)
            await _serve(page, stream(page, services), services)
        return page.socket

    return handler


def _page_socket() -> web.WebSocketResponse:
    return web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, compress=False, max_msg_size=MAX_PAGE_MESSAGE, timeout=1.0
    )


@contextlib.contextmanager
def _place(services: Services, client: str) -> Iterator[None]:
    """Count a page as open within the context.

    Raises
    ------
    HTTPServiceUnavailable
        There are too many, altogether or from this client.
    """
    prefix = prefix_of(client)
    if not services.pages.admits(prefix):
        raise web.HTTPServiceUnavailable(
            text=f"too many pages are open (from one address at most {services.pages.per_prefix}); "
            "close one, or raise monitor.viewers\n"
        )
    services.pages.open(prefix)
    try:
        with services.metrics.open_pages.track_inprogress():
            yield
    finally:
        services.pages.close(prefix)


async def _serve(page: Page, stream: Coroutine[None, None, None], services: Services) -> None:
    """Stream to a page until it closes its socket."""
    streaming = asyncio.create_task(stream)
    try:
        await _read_until_closed(page, streaming, services)
    finally:
        streaming.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
            await streaming


async def _read_until_closed(page: Page, streaming: asyncio.Task[None], services: Services) -> None:
    """Read until the page leaves, the stream ends, or the page has sent too much.

    The only message of a page is its token: a browser cannot send headers with a WebSocket.
    """
    socket = page.socket
    streaming.add_done_callback(lambda _task: asyncio.ensure_future(socket.close()))
    received = 0
    async for message in socket:
        received += 1
        if received > MAX_PAGE_MESSAGES or message.type is WSMsgType.ERROR:
            services.refusals.count("page", "too many messages", page.client)
            await socket.close(code=WSCloseCode.POLICY_VIOLATION)
            return
        if message.type is WSMsgType.TEXT:
            page.trusted = page.trusted or _token_accepted(message.data, page.client, services)


def _token_accepted(authorization: str, client: str, services: Services) -> bool:
    try:
        check_token(authorization, client, services)
    except web.HTTPException as error:
        services.refusals.count("page", str(error.status), client)
        return False
    return True


async def _stream_columns(page: Page, services: Services) -> None:
    """Send columns, preceded by their format whenever it has changed."""
    sent: dict[str, Any] | None = None
    with services.broadcaster.subscribe(Columns) as columns:
        while True:
            message = await columns.next()
            column_format = _column_format(services)
            if column_format != sent:
                sent = column_format
                await _send(page.socket.send_str(json.dumps(column_format)))
            await _send(page.socket.send_bytes(message.encode()))


def _column_format(services: Services) -> dict[str, Any]:
    """Rate, frequencies, brightness and palette with which a page draws the columns."""
    report, palette = services.broadcaster.report, services.wall_palette
    always = {"max_hz": services.max_hz, "brightness": BRIGHTNESS, "palette": palette}
    if report is None:
        return always
    return always | {"columns_per_s": report.columns_per_s, "hz": report.picture_hz}


async def _stream_state(page: Page, services: Services) -> None:
    """Send reports, and energies ten times a second; a page without the token gets less."""
    loop, energies_due_s = asyncio.get_running_loop(), 0.0
    await _send_state(page, services, services.broadcaster.report)
    with services.broadcaster.subscribe(Energies, Report) as state:
        while True:
            try:
                message = await asyncio.wait_for(state.next(), 1.0)
            except TimeoutError:
                await _send_state(page, services, None)
                continue
            if isinstance(message, Energies):
                if loop.time() < energies_due_s or not page.trusted:
                    continue
                energies_due_s = loop.time() + ENERGIES_S
            await _send_state(page, services, message)


async def _send_state(page: Page, services: Services, message: Message | None) -> None:
    text = _state_message if page.trusted else _public_message
    await _send(page.socket.send_str(text(services, message)))


def _public_message(services: Services, message: Message | None) -> str:
    """What a page without the token may know: whether the instrument plays, as the wall shows."""
    if not isinstance(message, Report):
        return _link_message(services)
    return json.dumps({"kind": "public", "state": health_of(message, 0.0).state})


def _link_message(services: Services) -> str:
    return json.dumps({"kind": "link", "linked": services.broadcaster.linked})


def _state_message(services: Services, message: Message | None) -> str:
    """A message of the voice for the staff page: JSON with a kind."""
    if isinstance(message, Energies):
        latency_s = None if math.isnan(message.latency_s) else message.latency_s
        content = {"kind": "energies", "features": message.named, "level_db": message.level_db}
        return json.dumps(content | {"latency_s": latency_s, "present": message.present})
    if isinstance(message, Report):
        return json.dumps(_report_content(services, message))
    return _link_message(services)


def _report_content(services: Services, message: Report) -> dict[str, Any]:
    report = asdict(message)
    for large in ("picture_hz", "z"):
        del report[large]
    return {
        "kind": "report",
        "report": report,
        "teaching": services.teaching.state(),
        "takes": services.takes.state(),
        "by_unit": services.maintenance.by_unit,
        "watching": services.pages.count,
        "damaged": services.voice.invalid_messages,
        "refused": services.refusals.counts.total(),
    }


async def _send(sending: Awaitable[None]) -> None:
    await asyncio.wait_for(sending, SEND_TIMEOUT_S)


async def _control(request: web.Request, services: Services) -> web.Response:
    """A request to the voice; see `link/requests.py`."""
    content = await authorised_json(request, services)
    try:
        services.voice.send(parse_request(content))
    except RequestError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except VoiceUnavailableError as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
    return web.Response(status=204)


async def _teach(request: web.Request, services: Services) -> web.Response:
    """A step of teaching, see `teaching.py`; responds with the new state."""
    content = await authorised_json(request, services)
    with _teaching_errors():
        await services.teaching.do(content)
    return web.json_response(services.teaching.state())


async def _export_examples(request: web.Request, services: Services) -> web.Response:
    """What was taught for the present pack, as a file."""
    check_authorised(request, services)
    with _teaching_errors():
        text = await services.teaching.export_file()
    headers = {"Content-Disposition": 'attachment; filename="examples.json"'}
    return web.Response(text=text, content_type="application/json", headers=headers)


async def _import_examples(request: web.Request, services: Services) -> web.Response:
    """Replace what was taught by a file; responds with the new state."""
    check_authorised(request, services)
    content = await body_of(request.clone(client_max_size=MAX_EXAMPLES_BYTES))
    with _teaching_errors():
        await services.teaching.import_file(content)
    return web.json_response(services.teaching.state())


@contextlib.contextmanager
def _teaching_errors() -> Iterator[None]:
    try:
        yield
    except TeachingError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except VoiceUnavailableError as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error


async def _metrics(request: web.Request, services: Services) -> web.Response:
    body, content_type = services.metrics.exposition(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _health(_request: web.Request, services: Services) -> web.Response:
    status, content = healthz(services.broadcaster.report, services.broadcaster.age_s)
    return web.json_response(content, status=status)
