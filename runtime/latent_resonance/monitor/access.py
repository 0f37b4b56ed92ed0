"""Who may send a request: its origin, its token, its size.

Used by every handler that changes something or says more than the wall shows.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import web

from latent_resonance.monitor.auth import is_same_origin
from latent_resonance.monitor.services import Services

MAX_BODY = 8 * 1024  # bytes of a POST request
BODY_TIMEOUT_S = 10.0  # for all of it to arrive


def check_token(authorization: str, client: str, services: Services) -> None:
    """Compare a token.

    Raises
    ------
    HTTPTooManyRequests, HTTPUnauthorized
        The client has failed too often, or just now.
    """
    now_s = asyncio.get_running_loop().time()
    retry_after_s = services.authenticator.retry_after_s(client, now_s)
    if retry_after_s > 0.0:
        raise web.HTTPTooManyRequests(
            text=f"too many wrong tokens; wait {retry_after_s:.0f} s\n",
            headers={"Retry-After": str(int(retry_after_s) + 1)},
        )
    if not services.authenticator.accepts(authorization, client, now_s):
        raise web.HTTPUnauthorized(
            text="the token is wrong; it is in the link that `perform --monitor` prints, or, on an "
            "installation, shown by `sudo latent-resonance doctor`\n",
            headers={"WWW-Authenticate": "Bearer"},
        )


def check_authorised(request: web.Request, services: Services) -> None:
    """Refuse a request without the token, or from a page of another machine.

    Raises
    ------
    HTTPException
        It is not permitted.
    """
    if not is_same_origin(request.headers, required=False):
        raise web.HTTPForbidden(text="not from one of this machine's own pages\n")
    authorization = request.headers.get("Authorization", "")
    check_token(authorization, services.client(request), services)


async def authorised_json(request: web.Request, services: Services) -> dict[str, Any]:
    """The body of a request with the token.

    Raises
    ------
    HTTPException
        The request is not permitted, or its body is not a JSON object.
    """
    check_authorised(request, services)
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="should be application/json\n")
    try:
        content = json.loads((await body_of(request)).decode())
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="not JSON in UTF-8\n") from error
    if not isinstance(content, dict):
        raise web.HTTPBadRequest(text="should be one JSON object\n")
    return content


async def body_of(request: web.Request) -> bytes:
    """The body. JSON is UTF-8 (RFC 8259, 8.1), whatever charset the header names.

    Raises
    ------
    HTTPRequestTimeout, HTTPBadRequest, HTTPRequestEntityTooLarge
        It does not arrive, in time or in one piece, or it is too long.
    """
    limit, length = request.client_max_size, request.content_length or 0
    if length > limit:  # not worth waiting for
        raise _too_large(limit, length)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(limit, length) from None
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body has not arrived\n") from None
    except (web.RequestPayloadError, ConnectionError):
        raise web.HTTPBadRequest(text="the body is damaged\n") from None


def _too_large(limit: int, length: int) -> web.HTTPException:
    text = f"the body should have at most {limit} bytes; send less\n"
    return web.HTTPRequestEntityTooLarge(max_size=limit, actual_size=length, text=text)
