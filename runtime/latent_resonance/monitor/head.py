"""What the head of a request must be before a handler sees it, and our words for the rest.

Pure except for aiohttp's types. aiohttp accepts what RFC 9110 and 9112 let a server read in two
ways, and what another server in front of this one may read in the other; and it repeats the
client's bytes in its answers.
"""

from __future__ import annotations

from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import HttpVersion10, HttpVersion11, web

from latent_resonance.monitor.auth import is_local_host

SECURITY = {  # headers of every response
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
SINGLE = ("Authorization", "Content-Type", "Origin", "Sec-WebSocket-Key", "Sec-WebSocket-Version")
TEXTS = {  # of what aiohttp refuses itself
    HTTPStatus.BAD_REQUEST: "not a valid request here; open the page in a browser\n",
    HTTPStatus.NOT_FOUND: "no such page; the pages are / and /staff\n",
    HTTPStatus.METHOD_NOT_ALLOWED: "not a method of this address; the header Allow names them\n",
    HTTPStatus.EXPECTATION_FAILED: "only 100-continue can be expected; leave the header out\n",
}


def check_head(request: web.Request, names: frozenset[str]) -> None:
    """Refuse what no handler should see.

    Parameters
    ----------
    names : host names of this machine

    Raises
    ------
    HTTPException
        The request is not permitted.
    """
    _require_text(request)
    if request.version not in (HttpVersion10, HttpVersion11):
        raise web.HTTPBadRequest(text="should be HTTP/1.1\n")
    for name in SINGLE:
        if len(request.headers.getall(name, [])) > 1:
            raise web.HTTPBadRequest(text=f"should have one {name}\n")
    _require_plain_body(request)
    _require_host(request, names)


def put_in_our_words(error: web.HTTPException) -> None:
    """Make one short line of an answer: what handlers raise is one, what aiohttp raises may not."""
    if not (error.text or "").endswith("\n"):
        error.text = TEXTS.get(HTTPStatus(error.status), "the request cannot be served\n")


def _require_text(request: web.Request) -> None:
    """Refuse headers that are not UTF-8: aiohttp passes their bytes on as surrogates."""
    try:
        for name, value in request.headers.items():
            f"{name}{value}".encode()
    except UnicodeEncodeError:
        raise web.HTTPBadRequest(text="headers should be text\n") from None


def _require_plain_body(request: web.Request) -> None:
    """Refuse a transfer coding that a server in front may read in another way (RFC 9112, 6.1)."""
    codings = request.headers.getall("Transfer-Encoding", [])
    plain = [coding.strip().lower() for coding in codings] in ([], ["chunked"])
    if not plain or (codings and request.version == HttpVersion10):
        raise web.HTTPBadRequest(
            text="Transfer-Encoding should be chunked, in HTTP/1.1; leave it out\n"
        )


def _require_host(request: web.Request, names: frozenset[str]) -> None:
    """Refuse a Host, or a target, that is not this machine.

    One without any cannot come from a browser; load balancers ask `/healthz` in HTTP/1.0.
    """
    hosts = request.headers.getall("Host", [])
    if hosts in ([], [""]) and request.path == "/healthz":  # HTTP/1.1 has an empty one then
        return
    if len(hosts) != 1:
        raise web.HTTPBadRequest(text="should name one Host\n")
    if not all(is_local_host(host, names) for host in (*hosts, *_host_of_target(request))):
        raise web.HTTPMisdirectedRequest(
            text="not one of this machine's names; add it to monitor.names\n"
        )


def _host_of_target(request: web.Request) -> list[str]:
    """Host of a target in absolute form, which takes precedence (RFC 9112, 3.2.2); or none."""
    target = request.raw_path
    if target.startswith("/") or "://" not in target:
        return []
    return [urlsplit(target).netloc]
