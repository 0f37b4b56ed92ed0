"""The endpoints of the takes of the sound: record, list, delete and download, with the token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from latent_resonance.monitor.access import authorised_json, check_authorised
from latent_resonance.monitor.services import Services
from latent_resonance.monitor.takes import TakeError
from latent_resonance.monitor.voice_client import VoiceUnavailableError


async def do_with_takes(request: web.Request, services: Services) -> web.Response:
    """One step: {"do": "start" | "stop" | "delete", "name": …}; responds with the state."""
    content = await authorised_json(request, services)
    takes, step = services.takes, content.get("do")
    with _errors():
        if step == "start":
            takes.start()
        elif step == "stop":
            takes.stop()
        elif step == "delete":
            takes.delete(content.get("name"))
        else:
            raise TakeError(f"{step!r:.40} should be one of start, stop, delete")
    return web.json_response(takes.state())


async def download_take(request: web.Request, services: Services) -> web.StreamResponse:
    """The file of a take."""
    check_authorised(request, services)
    with _errors():
        path = services.takes.path_of(request.match_info["name"])
    headers = {
        "Content-Disposition": f'attachment; filename="{path.name}"',
        "Content-Type": "audio/wav",
    }
    return web.FileResponse(path, headers=headers)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except TakeError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    except VoiceUnavailableError as error:
        raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
