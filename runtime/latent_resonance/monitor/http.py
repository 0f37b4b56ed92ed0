"""The monitor's pages and sockets, by aiohttp.

Lives in the monitor's event loop. In: requests, which `guard.py` judges, and the hub's messages.
Out: two pages, the picture as binary columns, the state as JSON, figures, and what is asked of the
voice. Nothing here knows of an image or a landmark.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from latent_resonance.link.requests import RequestError, request
from latent_resonance.link.telemetry import Energies, Message, Report
from latent_resonance.monitor.auth import Gate, is_for_us, is_same_origin
from latent_resonance.monitor.broadcast import PICTURE, STATE, Hub
from latent_resonance.monitor.health import healthz
from latent_resonance.monitor.metrics import Metrics
from latent_resonance.monitor.teaching import Teaching, TeachingError
from latent_resonance.monitor.voice_client import VoiceGone, VoiceLink

PAGE = Path(__file__).with_name("page")
LARGEST_BODY = 8 * 1024  # bytes that a control may be
LARGEST_WORD = 256  # bytes; a page has nothing to say on its sockets
MOST_WORDS = 8  # then it is hung up on
HEARTBEAT_S = 10.0
PATIENCE_S = 15.0  # in which a page has to take a message
ENERGIES_S = 0.1  # between those that a page is told
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
Serving = Callable[[web.WebSocketResponse, "Desk"], Coroutine[None, None, None]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Desk:
    """What the pages are made of."""

    hub: Hub
    link: VoiceLink
    gate: Gate
    teaching: Teaching
    metrics: Metrics
    names: frozenset[str]
    viewers: int
    watching: int = 0


def application(desk: Desk) -> web.Application:
    """The whole site."""
    site = web.Application(middlewares=[_judged(desk)], client_max_size=LARGEST_BODY)
    for path, name in (("/", "picture.html"), ("/staff", "staff.html")):
        site.router.add_get(path, _file(name))
    for file in sorted(PAGE.iterdir()):
        if file.suffix in (".js", ".css", ".svg"):
            site.router.add_get(f"/page/{file.name}", _file(file.name))
    site.router.add_get("/picture", lambda asked: _socket(asked, desk, _show_picture))
    site.router.add_get("/state", lambda asked: _socket(asked, desk, _tell_state))
    site.router.add_post("/ask", lambda asked: _ask(asked, desk))
    site.router.add_post("/teach", lambda asked: _teach(asked, desk))
    site.router.add_get("/metrics", lambda asked: _metrics(asked, desk))
    site.router.add_get("/healthz", lambda asked: _health(asked, desk))
    return site


def _judged(desk: Desk) -> Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]:
    @web.middleware
    async def middleware(asked: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if not is_for_us(asked.headers.get("Host", ""), desk.names):
                raise web.HTTPMisdirectedRequest(
                    text="not one of this machine's names; add it to monitor.names\n"
                )
            response = await handler(asked)
        except web.HTTPException as error:
            error.headers.update(SECURITY)
            raise
        if not response.prepared:
            response.headers.update(SECURITY)
        return response

    return middleware


def _file(name: str) -> Handler:
    async def handler(_asked: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / name)

    return handler


async def _socket(asked: web.Request, desk: Desk, serve: Serving) -> web.StreamResponse:
    """A page's socket: told, and hung up on if it does not listen or talks too much."""
    if not is_same_origin(asked.headers, must_say=True):
        raise web.HTTPForbidden(text="from another page than this machine's own\n")
    if desk.watching >= desk.viewers:
        raise web.HTTPServiceUnavailable(
            text=f"{desk.viewers} pages are open; close one, or raise monitor.viewers\n"
        )
    page = web.WebSocketResponse(
        heartbeat=HEARTBEAT_S, compress=False, max_msg_size=LARGEST_WORD, timeout=1.0
    )
    desk.watching += 1
    try:
        with desk.metrics.pages.track_inprogress():
            await page.prepare(asked)
            await _serve(page, serve(page, desk))
    finally:
        desk.watching -= 1
    return page


async def _serve(page: web.WebSocketResponse, telling: Coroutine[None, None, None]) -> None:
    """Tells a page and listens to it, until it leaves."""
    task = asyncio.create_task(telling)
    try:
        await _listen(page, task)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
            await task


async def _listen(page: web.WebSocketResponse, telling: asyncio.Task[None]) -> None:
    """Until it leaves, is no longer told, or has talked too much."""
    telling.add_done_callback(lambda _task: asyncio.ensure_future(page.close()))
    words = 0
    async for word in page:
        words += 1
        if words > MOST_WORDS or word.type is WSMsgType.ERROR:
            await page.close(code=WSCloseCode.POLICY_VIOLATION)
            return


async def _show_picture(page: web.WebSocketResponse, desk: Desk) -> None:
    """Columns, after one line of how they are to be drawn whenever that has changed."""
    drawn: str | None = None
    with desk.hub.subscribed(*PICTURE) as columns:
        while True:
            message = await columns.next()
            if (frame := json.dumps(_frame(desk.hub.report))) != drawn:
                drawn = frame
                await _patiently(page.send_str(frame))
            await _patiently(page.send_bytes(message.encode()))


def _frame(report: Report | None) -> dict[str, Any]:
    """How columns are to be drawn."""
    if report is None:
        return {}
    return {
        "columns_per_s": report.columns_per_s,
        "range_db": report.picture_range_db,
        "hz": report.picture_hz,
    }


async def _tell_state(page: web.WebSocketResponse, desk: Desk) -> None:
    loop, next_s = asyncio.get_running_loop(), 0.0
    await _patiently(page.send_str(_as_text(desk, desk.hub.report)))
    with desk.hub.subscribed(*STATE) as state:
        while True:
            try:
                message = await asyncio.wait_for(state.next(), 1.0)
            except TimeoutError:
                await _patiently(page.send_str(_as_text(desk, None)))
                continue
            if isinstance(message, Energies):
                if loop.time() < next_s:
                    continue
                next_s = loop.time() + ENERGIES_S
            await _patiently(page.send_str(_as_text(desk, message)))


def _as_text(desk: Desk, message: Message | None) -> str:
    """What a staff page is told: JSON with a kind."""
    if isinstance(message, Energies):
        late = None if message.latency_s != message.latency_s else message.latency_s
        content = {"kind": "energies", "features": message.named, "level_db": message.level_db}
        return json.dumps(content | {"latency_s": late, "present": message.present})
    if isinstance(message, Report):
        report = asdict(message)
        for heavy in ("picture_hz", "z"):
            del report[heavy]
        teaching = desk.teaching.state()
        watching = {"watching": desk.watching, "damaged": desk.link.damaged}
        return json.dumps({"kind": "report", "report": report, "teaching": teaching} | watching)
    return json.dumps({"kind": "link", "linked": desk.hub.linked})


async def _patiently(sending: Awaitable[None]) -> None:
    """For as long as a page may take for a message."""
    await asyncio.wait_for(sending, PATIENCE_S)


async def _authorised(asked: web.Request, desk: Desk) -> dict[str, Any]:
    """The body of a request that may be made.

    Raises
    ------
    HTTPException
        It may not, or is no JSON.
    """
    if not is_same_origin(asked.headers, must_say=False):
        raise web.HTTPForbidden(text="from another page than this machine's own\n")
    now_s, address = asyncio.get_running_loop().time(), asked.remote or ""
    pause_s = desk.gate.pause_s(address, now_s)
    if pause_s > 0.0:
        raise web.HTTPTooManyRequests(
            text=f"too many wrong tokens; wait {pause_s:.0f} s\n",
            headers={"Retry-After": str(int(pause_s) + 1)},
        )
    if not desk.gate.opens(asked.headers.get("Authorization", ""), address, now_s):
        raise web.HTTPUnauthorized(
            text="the token is wrong; `sudo latent-resonance doctor` shows it\n",
            headers={"WWW-Authenticate": "Bearer"},
        )
    if asked.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="should be application/json\n")
    try:
        content = await asked.json()
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="no JSON\n") from error
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(text="should be one JSON object\n")
    return content


async def _ask(asked: web.Request, desk: Desk) -> web.Response:
    """A control: see `link/requests.py`."""
    content = await _authorised(asked, desk)
    try:
        target = request(content)
        if target.kind == "pack" and desk.hub.report and target.value not in desk.hub.report.packs:
            raise RequestError(f"{target.value!r} is not one of {', '.join(desk.hub.report.packs)}")
        desk.link.ask(target)
    except RequestError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except VoiceGone as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
    return web.Response(status=204)


async def _teach(asked: web.Request, desk: Desk) -> web.Response:
    """A step of teaching: see `teaching.py`; answers with where it stands."""
    content = await _authorised(asked, desk)
    try:
        await desk.teaching.do(content)
    except TeachingError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except VoiceGone as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
    return web.json_response(desk.teaching.state())


async def _metrics(asked: web.Request, desk: Desk) -> web.Response:
    body, content_type = desk.metrics.page(asked.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": content_type})


async def _health(_asked: web.Request, desk: Desk) -> web.Response:
    status, content = healthz(desk.hub.report, desk.hub.age_s)
    return web.json_response(content, status=status)
