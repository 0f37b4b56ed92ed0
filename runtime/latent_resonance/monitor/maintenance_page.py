"""The endpoint of the maintenance panel: settings, restarts and the journal, with the token."""

from __future__ import annotations

from aiohttp import web

from latent_resonance.gallery.maintenance import MaintenanceError
from latent_resonance.monitor.access import authorised_json
from latent_resonance.monitor.services import Services

PALETTE = "monitor.palette"


async def maintain(request: web.Request, services: Services) -> web.Response:
    """Carry out one request: {"kind": …, "value": …}; responds with its answer."""
    content = await authorised_json(request, services)
    try:
        answer = await services.maintenance.do(content.get("kind"), content.get("value"))
    except MaintenanceError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error
    if PALETTE in answer.settings:  # shown on the wall at once
        services.wall_palette = answer.settings[PALETTE] or None
    found = {"lines": answer.lines, "settings": dict(answer.settings)}
    return web.json_response(found | {"by_unit": services.maintenance.by_unit})
