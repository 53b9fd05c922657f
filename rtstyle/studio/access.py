"""Who may use the studio: its own page, under its own name; and what a browser is told to refuse."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

# The page needs nothing from elsewhere, so a browser may fetch nothing from elsewhere.
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",  # the address may hold the token
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


def is_loopback(host: str) -> bool:
    """Whether an address or name reaches this machine only."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def refusal(host: str | None, origin: str | None, loopback: bool) -> str | None:
    """Why a request must be refused, from its Host and Origin headers; None if it may pass.

    On loopback the Host must be a loopback name: a foreign name that was made to lead here (DNS
    rebinding) is told by it. Elsewhere the secret in the path does that. An Origin, which browsers send
    with every WebSocket, must be this very host: a page of another site may not use the studio.
    """
    name = _host_name(f"//{host}") if host else None
    if not host or name is None:
        return "no valid Host"
    if loopback and not is_loopback(name):
        return "this studio answers to localhost only"
    if origin is not None and _netloc(origin) != host.lower():
        return "another site's page may not use this studio"
    return None


def _netloc(origin: str) -> str | None:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return None
    return parts.netloc.lower() if parts.scheme in ("http", "https") else None


def _host_name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def guard(loopback: bool) -> Middleware:
    """A middleware that refuses as `refusal` says, and puts `HEADERS` on every answer."""

    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        why = refusal(request.headers.get("Host"), request.headers.get("Origin"), loopback)
        if why:
            return web.Response(status=403, text=f"refused: {why}\n", headers=HEADERS)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            error.headers.update(HEADERS)
            raise
        if not answer.prepared:
            answer.headers.update(HEADERS)
        return answer

    return guarded
