"""The studio's server: one page, one WebSocket, in a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from importlib.resources import files
from typing import Any, Protocol, Self

from aiohttp import web

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame
from rtstyle.studio.access import guard, is_loopback
from rtstyle.studio.browser_camera import BrowserCamera
from rtstyle.studio.messages import LONGEST
from rtstyle.studio.pictures import Pictures
from rtstyle.studio.viewer import Viewer

PORT = 8350

_MOST = 16  # viewers at once
_LARGEST = 2 << 20  # bytes of one camera picture; 1080p takes a quarter
_FRESH = 0.1  # seconds one state serves all viewers
_HEARTBEAT = 10.0  # seconds between signs of life
_TYPES = {
    "index.html": "text/html",
    "studio.css": "text/css",
    "studio.js": "text/javascript",
    "link.js": "text/javascript",
    "camera.js": "text/javascript",
    "encoder.js": "text/javascript",
}


class Session(Protocol):
    """What the studio shows and steers; `rtstyle.live.session.LiveSession` is one."""

    def do(self, action: str, **arguments: Any) -> None: ...
    def state(self) -> dict[str, Any]: ...
    def latest(self, after: int = 0) -> tuple[int, Frame, Frame] | None: ...


class Studio:
    """A live session in a browser page: pictures, figures and all actions.

    Bound to this machine only it needs no secret: Host and Origin headers are checked. Bound to another
    address, whoever knows `url` may use it, since that holds a random token.

    Args:
        session: shown and steered.
        host: the address to bind.
        port: 0 takes any free one.
        camera: the source that takes pictures of the viewers' own cameras, where there is one; closed
            with the studio, without which it would wait for ever.
        thumbnails: JPEG by style name.
        certificate: paths of a certificate and its key (PEM), for HTTPS; browsers give their camera to
            pages of other machines over HTTPS only.
    """

    def __init__(
        self,
        session: Session,
        host: str = "127.0.0.1",
        port: int = PORT,
        *,
        camera: BrowserCamera | None = None,
        thumbnails: Mapping[str, bytes] | None = None,
        certificate: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    ) -> None:
        self.session = session
        self.camera = camera
        self.pictures = Pictures(session.latest)
        self._host = "127.0.0.1" if host == "localhost" else host
        self._port = port
        self._loopback = is_loopback(host)
        self._root = "/" if self._loopback else f"/{secrets.token_urlsafe(16)}/"
        self._certificate = certificate
        self.thumbnails = dict(thumbnails or {})
        self._page = {name: files("rtstyle.studio").joinpath("page", name).read_bytes() for name in _TYPES}
        self._viewers: set[Viewer] = set()
        self._state: tuple[float, dict[str, Any]] = (0.0, {})
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What to open in a browser."""
        scheme = "https" if self._certificate else "http"
        host = _reachable(self._host)
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self._port}{self._root}"

    @property
    def viewers(self) -> int:
        return len(self._viewers)

    def state(self) -> dict[str, Any]:
        """The session's state, asked for at most every `_FRESH` seconds however many watch."""
        then, state = self._state
        now = time.monotonic()
        if not state or now - then > _FRESH:
            state = self.session.state()
            self._state = now, state
        return state

    def start(self) -> None:
        """Serve from now on. Raises RtstyleError for an address that cannot be had, or a bad certificate."""
        ready: Future[int] = Future()
        context = self._context()
        self._thread = threading.Thread(
            target=self._run, args=(ready, context), name="rtstyle-studio", daemon=True
        )
        self._thread.start()
        self._port = ready.result()

    def close(self) -> None:
        """Say goodbye to all viewers and stop, within a second or so. Safe to repeat."""
        if self.camera is not None:
            self.camera.close()
        if self._loop is not None and self._stop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _context(self) -> ssl.SSLContext | None:
        if self._certificate is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(*self._certificate)
        except (OSError, ssl.SSLError) as error:
            chain, key = self._certificate
            raise RtstyleError(f"certificate {chain} with key {key} cannot be used: {error}") from error
        return context

    def _run(self, ready: Future[int], context: ssl.SSLContext | None) -> None:
        try:
            asyncio.run(self._serve(ready, context))
        except BaseException as error:
            if ready.done():
                raise
            ready.set_exception(error)  # whoever starts the studio waits for it

    async def _serve(self, ready: Future[int], context: ssl.SSLContext | None) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=0.5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self._host, self._port, ssl_context=context).start()
        except OSError as error:
            await runner.cleanup()
            where = f"{self._host}:{self._port}"
            raise RtstyleError(
                f"the studio cannot listen at {where}: {error.strerror}; port 0 is any free one"
            ) from error
        ready.set_result(runner.addresses[0][1])
        await self._stop.wait()
        self._state = (0.0, {})  # what is told last is what is now
        for each in list(self._viewers):
            with contextlib.suppress(TimeoutError, ConnectionError):  # a silent viewer is not waited for
                await asyncio.wait_for(each.dismiss(), 0.1)
        await runner.cleanup()

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[guard(self._loopback)])
        app.router.add_get(self._root, self._file)
        app.router.add_get(self._root + "live", self._live)
        app.router.add_get(self._root + "thumbnail/{style}", self._thumbnail)
        for name in _TYPES:
            app.router.add_get(self._root + name, self._file)
        app.router.add_get("/{other:.*}", self._nothing_here)
        return app

    async def _file(self, request: web.Request) -> web.Response:
        name = request.path.removeprefix(self._root) or "index.html"  # a key of the dict: routes end here
        return web.Response(body=self._page[name], content_type=_TYPES[name], charset="utf-8")

    async def _thumbnail(self, request: web.Request) -> web.Response:
        picture = self.thumbnails.get(request.match_info["style"])
        if picture is None:
            raise web.HTTPNotFound
        return web.Response(body=picture, content_type="image/jpeg")

    async def _nothing_here(self, request: web.Request) -> web.Response:
        raise web.HTTPNotFound(text="Nothing here. Open the whole address that rtstyle printed.\n")

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if len(self._viewers) >= _MOST:
            raise web.HTTPServiceUnavailable(text=f"{_MOST} viewers are connected; there is no more room.\n")
        largest = _LARGEST if self.camera is not None else LONGEST
        # No compression: pictures are compressed, and a small message must not become a large one.
        socket = web.WebSocketResponse(heartbeat=_HEARTBEAT, max_msg_size=largest, compress=False)
        viewer = Viewer(self, socket)
        self._viewers.add(viewer)
        try:
            await socket.prepare(request)
            await viewer.serve()
        finally:
            self._viewers.discard(viewer)
        return socket


def _reachable(host: str) -> str:
    """The address under which others reach one that is bound to all (0.0.0.0, ::)."""
    if host not in ("0.0.0.0", "::"):
        return host
    family, far = (socket.AF_INET, "192.0.2.1") if host == "0.0.0.0" else (socket.AF_INET6, "2001:db8::1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((far, 9))  # sends nothing; the system only chooses a way there
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()
