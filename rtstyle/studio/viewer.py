"""One viewer of the studio: a WebSocket, served at the pace that it keeps up with.

Down go pictures (binary: number, the viewer's own camera stamp, JPEG) and JSON: ``hello``, ``state`` five
times a second and once more at the end, ``took`` for each camera picture, ``error``. Up come
``{"do": ACTION, ...}`` with the actions of a session, ``{"seen": NUMBER}`` for each picture (with
``"late": true`` from a page that was hidden meanwhile), ``{"camera": true}`` and the camera's pictures
(binary: stamp, JPEG).

JPEG over WebSocket in lock-step was measured against WebRTC (aiortc) at 640x480: 17 ms there and back,
against a jitter buffer, video coding and scaling that the page has no say in.
"""

from __future__ import annotations

import asyncio
import math
import struct
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from rtstyle.errors import RtstyleError
from rtstyle.live.stats import WINDOW, percentiles
from rtstyle.studio.jpeg import within
from rtstyle.studio.messages import read_message, short
from rtstyle.studio.pictures import Picture

if TYPE_CHECKING:
    from rtstyle.studio.server import Studio

_DOWN = struct.Struct("<Id")  # number, stamp (NaN: not from this viewer's camera)
_UP = struct.Struct("<d")  # stamp
_UNDER_WAY = 2  # pictures sent and not yet seen: one travels while the other is drawn
_STATES = 0.2  # seconds between two
_MESSAGES = 300  # a second, allowed in the long run and at once; more are read later
_FAULTS = 30  # bad messages a minute before the connection is closed


class Viewer:
    """Serves one open socket until it closes."""

    def __init__(self, studio: Studio, socket: web.WebSocketResponse) -> None:
        self._studio = studio
        self._socket = socket
        self._sent: dict[int, Picture] = {}  # under way, by number
        self._room = asyncio.Event()
        self._room.set()
        self._delays: deque[tuple[float, float]] = deque(maxlen=300)  # when, and seconds from capture to seen
        self._faults: deque[float] = deque(maxlen=_FAULTS)
        self._allowance, self._filled = float(_MESSAGES), time.monotonic()

    async def serve(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._show()), group.create_task(self._tell())]
                await self._listen()
                for task in tasks:
                    task.cancel()
        except* ConnectionError:
            pass  # the viewer left while something was on its way
        finally:
            if self._studio.camera is not None:
                self._studio.camera.release(self)

    async def _show(self) -> None:
        """Send pictures, the newest each time, as long as the viewer says that it sees them."""
        number = 0
        while True:
            await self._room.wait()
            picture = await self._studio.pictures.after(number)
            number = picture.number
            self._sent[number] = picture
            if len(self._sent) >= _UNDER_WAY:
                self._room.clear()
            camera = self._studio.camera
            stamp = camera.stamp_of(self, picture.time) if camera is not None else None
            header = _DOWN.pack(number & 0xFFFFFFFF, math.nan if stamp is None else stamp)
            await self._socket.send_bytes(header + picture.jpeg)

    async def _tell(self) -> None:
        """Send what is shown and how it goes."""
        await self._socket.send_json({"type": "hello", "thumbnails": list(self._studio.thumbnails)})
        while True:
            await self._tell_state()
            await asyncio.sleep(_STATES)

    async def _tell_state(self) -> None:
        await self._socket.send_json({"type": "state", **self._studio.state(), **self._own_state()})

    async def dismiss(self) -> None:
        """Say how things stand at the end (a page then knows that the session is over), and close."""
        if self._socket.prepared and not self._socket.closed:
            await self._tell_state()
        await self._socket.close(code=WSCloseCode.GOING_AWAY)

    def _own_state(self) -> dict[str, Any]:
        camera = self._studio.camera
        owner = camera.owner if camera is not None else None
        return {
            "viewers": self._studio.viewers,
            "browser_camera": None
            if camera is None
            else {
                **dict(zip(("width", "height"), within(camera.info.width, camera.info.height), strict=True)),
                "rate": float(camera.info.rate),
                "otherwise": camera.otherwise,
                "owner": None if owner is None else "you" if owner is self else "another",
            },
            "seen_ms": percentiles(self._recent_delays()) or None,
        }

    def _recent_delays(self) -> Iterable[float]:
        now = time.monotonic()
        return (delay for then, delay in self._delays if now - then < WINDOW)

    async def _listen(self) -> None:
        async for message in self._socket:
            arrived = time.monotonic()
            await self._pace()
            try:
                if message.type == WSMsgType.TEXT:
                    self._take(read_message(message.data))
                elif message.type == WSMsgType.BINARY:
                    await self._take_picture(message.data, arrived)
            except RtstyleError as error:
                await self._refuse(str(error))

    async def _pace(self) -> None:
        """Read no more than `_MESSAGES` a second; a flood waits in the sender's own buffers."""
        now = time.monotonic()
        self._allowance = min(_MESSAGES, self._allowance + (now - self._filled) * _MESSAGES) - 1
        self._filled = now
        if self._allowance < 0:
            await asyncio.sleep(-self._allowance / _MESSAGES)

    async def _refuse(self, why: str) -> None:
        """Say what was wrong; a viewer that sends little else is closed."""
        self._faults.append(time.monotonic())
        await self._socket.send_json({"type": "error", "message": why[:300]})
        if len(self._faults) == _FAULTS and self._faults[-1] - self._faults[0] < 60:
            await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"too many bad messages")

    def _take(self, message: dict[str, Any]) -> None:
        match message:
            case {"seen": int(number), **rest} if not rest:
                self._take_seen(number)
            case {"seen": int(number), "late": True, **rest} if not rest:
                self._take_seen(number, late=True)
            case {"camera": bool(on), **rest} if not rest:
                self._take_camera(on)
            case {"do": str(action), **arguments}:
                self._do(action, arguments)
            case _:
                raise RtstyleError('a message asks for nothing known; send {"do": ACTION, ...}')

    def _do(self, action: str, arguments: dict[str, Any]) -> None:
        try:
            self._studio.session.do(action, **arguments)
        except (TypeError, ValueError) as error:
            raise RtstyleError(f"action {short(action)} does not take {short(arguments)}") from error

    def _take_seen(self, number: int, late: bool = False) -> None:
        """``late``: it waited for a hidden page to be looked at again, and tells nothing of delays."""
        picture = self._sent.pop(number, None)
        if picture is not None:
            now = time.monotonic()
            delay = now - float(picture.time)
            if 0 <= delay < 60 and not late:  # a source may stamp by another clock
                self._delays.append((now, delay))
            self._room.set()

    def _take_camera(self, on: bool) -> None:
        camera = self._studio.camera
        if camera is None:
            raise RtstyleError("this session shows its own camera only")
        if on:
            camera.claim(self)
        else:
            camera.release(self)

    async def _take_picture(self, data: bytes, arrived: float) -> None:
        camera = self._studio.camera
        if camera is None:
            raise RtstyleError("this session takes no pictures of the browser's camera")
        if len(data) <= _UP.size:
            raise RtstyleError("a camera picture is empty")
        (stamp,) = _UP.unpack_from(data)
        try:
            await asyncio.to_thread(camera.offer, self, data[_UP.size :], stamp, arrived)
        finally:
            await self._socket.send_str('{"type":"took"}')
