"""The studio's server: what it sends, what it takes, whom it refuses. The page: test_studio_browser."""

import asyncio
import json
import math
import ssl
import struct
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import numpy as np
import pytest
import torch
import trustme

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, Source
from rtstyle.live.session import LiveSession
from rtstyle.media.drawing.scene import Scene
from rtstyle.studio import BrowserCamera, Studio, thumbnails
from rtstyle.studio.access import refusal
from rtstyle.studio.jpeg import decode, encode, size, within
from rtstyle.studio.messages import read_message
from rtstyle.stylizers.loading import load_palette
from tests.families import save_family

SCENE = torch.from_numpy(Scene(160, 120).draw(0))


class FakeSession:
    """Counts pictures when told to, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.done: list[tuple[str, dict[str, Any]]] = []
        self.number = 1
        self.frame: Frame | None = None  # the scene now, if None

    def do(self, action: str, **arguments: Any) -> None:
        if action not in ("style", "strength"):
            raise RtstyleError(f"no action '{action}'")
        self.done.append((action, arguments))

    def state(self) -> dict[str, Any]:
        return {"number": self.number}

    def latest(self, after: int = 0) -> tuple[int, Frame, Frame] | None:
        frame = self.frame or Frame(SCENE, Fraction(time.monotonic()))
        return (self.number, frame, frame) if self.number > after else None


@contextmanager
def studio(session: Any = None, **options: Any) -> Iterator[Studio]:
    with Studio(session or FakeSession(), port=0, **options) as running:
        yield running


def browse(test: Callable[[aiohttp.ClientSession], Awaitable[None]]) -> None:
    async def run() -> None:
        async with aiohttp.ClientSession() as client:
            await asyncio.wait_for(test(client), 60)

    asyncio.run(run())


@asynccontextmanager
async def viewer(
    client: aiohttp.ClientSession, served: Studio
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with client.ws_connect(served.url + "live", max_msg_size=0) as socket:
        yield socket


async def receive(socket: aiohttp.ClientWebSocketResponse, kind: str) -> Any:
    """The next message of a kind: `picture` as (number, stamp, image), others as their JSON."""
    async for message in socket:
        if message.type == aiohttp.WSMsgType.BINARY and kind == "picture":
            number, stamp = struct.unpack_from("<Id", message.data)
            return number, stamp, decode(message.data[12:])
        if message.type == aiohttp.WSMsgType.TEXT and (said := json.loads(message.data))["type"] == kind:
            return said
    raise AssertionError(f"closed with {socket.close_code}, before any {kind}")


def nearness(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR in dB."""
    return 20 * math.log10(255) - 10 * math.log10(np.mean((one.astype(float) - other) ** 2) + 1e-9)


def jpeg(width: int, height: int, *flags: int) -> bytes:
    picture = cv2.resize(SCENE.permute(1, 2, 0).numpy()[:, :, ::-1], (width, height))
    return cv2.imencode(".jpg", picture, list(flags))[1].tobytes()


def test_page_and_headers() -> None:
    async def test(client: aiohttp.ClientSession) -> None:
        for name, kind in [("", "text/html"), ("studio.css", "text/css"), ("link.js", "text/javascript")]:
            async with client.get(served.url + name) as answer:
                assert answer.status == 200 and answer.content_type == kind
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
        for path in ["server.py", "..%2fserver.py", "thumbnail/..%2f..%2fserver.py", "thumbnail/x", "live/"]:
            async with client.get(served.url + path) as answer:
                assert answer.status == 404, path
                assert "default-src 'none'" in answer.headers["Content-Security-Policy"]

    with studio() as served:
        browse(test)


def test_thumbnails_are_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path))
    save_family(tmp_path, "kin", "ann", "bob")
    made = thumbnails(["ann", tmp_path / "bob.safetensors"])
    assert list(made) == ["ann", "bob"] and made["ann"] != made["bob"]

    async def test(client: aiohttp.ClientSession) -> None:
        async with client.get(served.url + "thumbnail/ann") as answer:
            assert await answer.read() == made["ann"] and answer.content_type == "image/jpeg"
        async with viewer(client, served) as socket:
            assert (await receive(socket, "hello"))["thumbnails"] == ["ann", "bob"]

    with studio(thumbnails=made) as served:
        browse(test)


def test_pictures_state_and_actions() -> None:
    session = FakeSession()

    async def test(client: aiohttp.ClientSession) -> None:
        async with viewer(client, served) as socket:
            number, stamp, image = await receive(socket, "picture")
            assert number == 1 and math.isnan(stamp)
            assert nearness(image, SCENE.permute(1, 2, 0).numpy()) > 30
            state = await receive(socket, "state")
            assert state["number"] == 1 and state["viewers"] == 1 and state["browser_camera"] is None
            await socket.send_json({"do": "style", "name": "ann"})
            await socket.send_json({"do": "strength", "value": 0.5})
            await socket.send_json({"do": "no such thing"})
            assert "no such thing" in (await receive(socket, "error"))["message"]
            assert session.done == [("style", {"name": "ann"}), ("strength", {"value": 0.5})]
            await socket.send_json({"seen": 1})
            session.number = 9
            assert (await receive(socket, "picture"))[0] == 9
            seen = (await receive(socket, "state"))["seen_ms"]
            assert 0 <= seen["p50"] <= seen["p95"] <= seen["p99"]

    with studio(session) as served:
        browse(test)


def test_a_slow_viewer_gets_two_pictures_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    session = FakeSession()
    encoded: list[int] = []
    monkeypatch.setattr(
        "rtstyle.studio.pictures.encode", lambda image: (encoded.append(session.number), encode(image))[1]
    )

    async def test(client: aiohttp.ClientSession) -> None:
        async with viewer(client, served) as silent, viewer(client, served) as other:
            for number in range(1, 41):
                session.number = number
                assert (await receive(other, "picture"))[0] == number
                await other.send_json({"seen": number})
            pictures = []
            async for message in silent:
                if message.type == aiohttp.WSMsgType.BINARY:
                    pictures.append(struct.unpack_from("<I", message.data)[0])
                elif json.loads(message.data).get("number") == 40:
                    break
            assert len(pictures) == 2
            await silent.send_json({"seen": pictures[0]})
            assert (await receive(silent, "picture"))[0] == 40  # the newest: nothing has queued
            assert len(encoded) == len(set(encoded)) == 40  # once each, for both

    with studio(session) as served:
        browse(test)


FOREIGN = [
    ({"Origin": "http://evil.example"}, "another site"),
    ({"Origin": "null"}, "another site"),
    ({"Host": "evil.example"}, "localhost only"),
    ({"Host": "127.0.0.1.evil.example:80", "Origin": "http://127.0.0.1.evil.example:80"}, "localhost only"),
    ({"Host": "[::1"}, "no valid Host"),
]


@pytest.mark.parametrize(("headers", "why"), FOREIGN)
def test_foreign_pages_are_refused(headers: dict[str, str], why: str) -> None:
    async def test(client: aiohttp.ClientSession) -> None:
        for path in ["", "live", "studio.js"]:
            async with client.get(served.url + path, headers=headers) as answer:
                assert answer.status == 403 and why in await answer.text()
        with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
            await client.ws_connect(served.url + "live", headers=headers)

    with studio() as served:
        browse(test)


def test_who_may_pass() -> None:
    assert refusal("localhost:9000", "http://localhost:9000", True) is None  # forwarded from another port
    assert refusal("[::1]:80", "http://[::1]:80", True) is None
    assert refusal("studio.lan:80", "https://studio.lan:80", False) is None
    assert refusal("localhost:80", "http://localhost:81", True)
    assert refusal("studio.lan", "http://evil.example", False)
    assert refusal(None, None, False) and refusal("", None, False)


def test_beyond_this_machine_a_token_is_needed() -> None:
    async def test(client: aiohttp.ClientSession) -> None:
        root = f"http://127.0.0.1:{served.url.split(':')[2].split('/')[0]}/"
        token = served.url.rstrip("/").split("/")[-1]
        assert len(token) > 20
        for path in ["", "live", "studio.js", "x" * len(token) + "/", token[:-1] + "/live"]:
            async with client.get(root + path) as answer:
                assert answer.status == 404
        async with client.get(f"{root}{token}/studio.js") as answer:
            assert answer.status == 200
        async with client.ws_connect(f"{root}{token}/live") as socket:
            await receive(socket, "picture")

    with studio(host="0.0.0.0") as served:
        browse(test)


MALFORMED = [
    "", "{", "null", "[]", "17", '"do"', "{}", '{"do": null}', '{"do": "style", "name": NaN}', "[" * 9000,
    '{"do": "strength", "value": 1e999, "x": [1]}', '{"do": {"do": {}}}', '{"seen": "1"}', "9" * 9000,
    '{"seen": 1, "x": 2}', '{"camera": 1}', '{"camera": true}', '{"do": "quit\\u0000"}', b"", b"\x00" * 7,
    '{"do": "a", "self": 1}', '{"do": "style", "action": 1}', '{"seen": ' + "9" * 9000 + "}", b"\xff" * 5000,
]  # fmt: skip


def test_ten_thousand_malformed_messages_hurt_nobody() -> None:
    session = FakeSession()

    async def flood(client: aiohttp.ClientSession, served: Studio) -> int:
        async with viewer(client, served) as socket:
            for message in MALFORMED:
                await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
            for _ in MALFORMED:
                assert (await receive(socket, "error"))["message"]
        return len(MALFORMED)

    async def test(client: aiohttp.ClientSession) -> None:
        async with viewer(client, served) as good:
            sent = 0
            while sent < 10_000:
                sent += sum(await asyncio.gather(*(flood(client, served) for _ in range(8))))
            session.number = 2
            await good.send_json({"do": "style", "name": "ann"})
            await receive(good, "picture")
            while (await receive(good, "state"))["viewers"] > 1:
                pass

    with studio(session) as served:
        browse(test)
    assert session.done == [("style", {"name": "ann"})]


def test_who_sends_only_nonsense_or_too_much_is_closed() -> None:
    async def test(client: aiohttp.ClientSession) -> None:
        async with viewer(client, served) as socket:
            for _ in range(40):
                await socket.send_str("nonsense")
            with pytest.raises(AssertionError, match="1008"):
                await receive(socket, "never")
        async with viewer(client, served) as socket:
            await socket.send_str("x" * 100_000)
            with pytest.raises(AssertionError, match="1009"):
                await receive(socket, "never")
        async with viewer(client, served) as socket:
            await receive(socket, "picture")

    with studio() as served:
        browse(test)


def test_a_real_session_survives_any_arguments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path))
    save_family(tmp_path, "kin", "ann", "bob")
    camera = BrowserCamera(64, 48)
    session = LiveSession(camera, load_palette(["ann", "bob"], device="cpu"), folder=tmp_path / "out")
    running = threading.Thread(target=session.run)
    running.start()
    values = [
        None,
        True,
        -1,
        0.5,
        10**14,
        1e300,
        "",
        "ann",
        "../../x",
        "\ud800",
        {},
        {"ann": -1},
        {"ann": 1e308},
    ]
    values += [{"ann": "x"}, {"ann": None}, {"ann": 1e-320, "bob": 0}]
    names = ["name", "n", "value", "weights", "to", "seconds", "on", "position", "self", "action", ""]
    actions = [
        "style",
        "number",
        "strength",
        "mix",
        "travel",
        "tour",
        "split",
        "freeze",
        "mirror",
        "next",
        "_quit",
    ]

    async def test(client: aiohttp.ClientSession) -> None:
        asked = [{"do": action, name: value} for action in actions for name in names for value in values]
        for start in range(0, len(asked), 29):
            async with viewer(client, served) as socket:
                for message in asked[start : start + 29]:
                    await socket.send_json(message)
                await socket.send_json({"do": "freeze", "on": False})
                await socket.send_bytes(struct.pack("<d", 0) + jpeg(64, 48))  # refused, after all the others
                while "camera" not in (await receive(socket, "error"))["message"]:
                    pass
        async with viewer(client, served) as socket:
            for action in ({"do": "style", "name": "bob"}, {"do": "strength", "value": 1}, {"camera": True}):
                await socket.send_json(action)
            await socket.send_bytes(struct.pack("<d", 5.0) + jpeg(64, 48))
            number, stamp, _ = await receive(socket, "picture")
            assert (number, stamp) == (1, 5.0)
            assert (await receive(socket, "state"))["mix"] == {"bob": 1.0}

    try:
        with studio(session, camera=camera) as served:
            browse(test)
            assert running.is_alive()
    finally:
        session.do("quit")
        running.join(5)
    assert not running.is_alive()
    assert not any(tmp_path.rglob("*x*.png"))


def test_browser_camera_there_and_back() -> None:
    session = FakeSession()
    camera = BrowserCamera(160, 120)

    async def test(client: aiohttp.ClientSession) -> None:
        async with viewer(client, served) as owner, viewer(client, served) as other:
            await other.send_bytes(struct.pack("<d", 1.0) + jpeg(160, 120))
            assert "switch it on first" in (await receive(other, "error"))["message"]
            await owner.send_json({"camera": True})
            while (await receive(owner, "state"))["browser_camera"]["owner"] != "you":
                pass
            assert (await receive(other, "state"))["browser_camera"]["owner"] == "another"
            await other.send_json({"camera": True})
            assert "another viewer's camera" in (await receive(other, "error"))["message"]
            await owner.send_bytes(struct.pack("<d", 42.5) + jpeg(320, 240))
            await receive(owner, "took")
            frame = await asyncio.to_thread(next, iter(camera))
            assert nearness(frame.image.numpy(), SCENE.numpy()) > 24
            session.frame, session.number = frame, 2
            for socket, expected in [(owner, 42.5), (other, None)]:
                number, stamp = 0, math.nan
                while number != 2:
                    number, stamp, _ = await receive(socket, "picture")
                    await socket.send_json({"seen": number})
                assert stamp == expected or (expected is None and math.isnan(stamp))
            await owner.close()
            while (await receive(other, "state"))["browser_camera"]["owner"]:
                pass
            await other.send_json({"camera": True})
            while (await receive(other, "state"))["browser_camera"]["owner"] != "you":
                pass

    with studio(session, camera=camera) as served:
        browse(test)
    assert list(camera) == []  # closed with the studio


def test_the_end_of_a_session_is_told() -> None:
    """At once with the server's own end: a page would else wait for a studio that has no reason to return."""
    session = FakeSession()
    session.over = False  # type: ignore[attr-defined]
    session.state = lambda: {"ended": session.over}  # type: ignore[attr-defined, method-assign]

    async def test(client: aiohttp.ClientSession) -> None:
        async with viewer(client, served) as one, viewer(client, served) as two:
            for socket in (one, two):
                assert not (await receive(socket, "state"))["ended"]
            session.over = True  # type: ignore[attr-defined]
            closing = asyncio.create_task(asyncio.to_thread(served.close))
            for socket in (one, two):
                while not (await receive(socket, "state"))["ended"]:
                    pass
            await closing

    with studio(session) as served:
        browse(test)


def test_a_camera_is_asked_for_pictures_that_are_taken() -> None:
    assert within(1920, 1080) == (1920, 1080)
    for width, height in ((5760, 2880), (8000, 100), (100, 8000), (4096, 4096)):
        less = within(width, height)
        assert less[0] / less[1] == pytest.approx(width / height, rel=0.02)
        data = cv2.imencode(".jpg", np.zeros((less[1], less[0], 3), np.uint8))[1].tobytes()
        assert decode(data).shape == (less[1], less[0], 3)


def test_a_page_that_was_hidden_tells_nothing_of_delays() -> None:
    async def test(client: aiohttp.ClientSession) -> None:
        async with viewer(client, served) as socket:
            number, _, _ = await receive(socket, "picture")
            await asyncio.sleep(0.3)
            await socket.send_json({"seen": number, "late": True})
            session.number += 1
            number, _, _ = await receive(socket, "picture")
            await socket.send_json({"seen": number})
            while (seen := (await receive(socket, "state"))["seen_ms"]) is None:
                pass
            assert seen["p99"] < 290

    session = FakeSession()
    with studio(session) as served:
        browse(test)


def test_a_camera_waits_behind_the_browser() -> None:
    class Counting(Source):
        def __init__(self) -> None:
            self.info = BrowserCamera(8, 8).info
            self.closed = False
            self.listener: Callable[[str], None] = print

        def __iter__(self) -> Iterator[Frame]:
            while not self.closed:
                time.sleep(0.002)
                yield Frame(torch.zeros(3, 8, 8, dtype=torch.uint8), Fraction(time.monotonic()))

        def close(self) -> None:
            self.closed = True

    inner = Counting()
    camera = BrowserCamera(otherwise=inner)
    camera.listener = notes = [].append
    assert inner.listener == notes
    frames = iter(camera)
    assert next(frames).image.max() == 0
    camera.claim("me")
    white = encode(torch.full((3, 30, 20), 255, dtype=torch.uint8))
    camera.offer("me", white, 1.0, time.monotonic())
    while (frame := next(frames)).image.max() == 0:  # one may have waited from before
        camera.offer("me", white, 1.0, time.monotonic())
    assert frame.image.shape == (3, 8, 8) and frame.image.min() > 250
    camera.release("me")
    assert next(frames).image.max() == 0
    camera.close()
    assert list(frames) == [] and inner.closed


HUGE = bytearray(jpeg(64, 48))
HUGE[HUGE.index(b"\xff\xc0") + 5 : HUGE.index(b"\xff\xc0") + 9] = b"\xff\xff\xff\xff"
HOSTILE = [
    (bytes(HUGE), "65535x65535"),
    (jpeg(64, 48, cv2.IMWRITE_JPEG_PROGRESSIVE, 1), "progressive"),
    (b"", "no JPEG"),
    (cv2.imencode(".png", np.zeros((9, 9, 3), np.uint8))[1].tobytes(), "no JPEG"),
    (b"\xff\xd8", "damaged"),
    (b"\xff\xd8\xff\xe0\x00\x00", "damaged"),
    (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 200_000, "damaged"),
    (jpeg(64, 48)[:200], "damaged"),
]


@pytest.mark.parametrize(("data", "why"), HOSTILE)
def test_hostile_pictures_are_refused_before_decoding(data: bytes, why: str) -> None:
    with pytest.raises(RtstyleError, match=why):
        decode(data)


def test_size_of_a_jpeg() -> None:
    assert size(jpeg(333, 111)) == (333, 111)
    assert decode(jpeg(333, 111)).shape == (111, 333, 3)


@pytest.mark.parametrize("text", ['{"a": 1e400}', '{"a": ' + "9" * 400 + "}"])
def test_numbers_beyond_measure_are_infinite_floats(text: str) -> None:
    assert read_message(text) == {"a": math.inf}


def test_https(tmp_path: Path) -> None:
    authority = trustme.CA()
    own = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    own.cert_chain_pems[0].write_to_path(chain)
    own.private_key_pem.write_to_path(key)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def test(client: aiohttp.ClientSession) -> None:
        with studio(certificate=(chain, key)) as served:
            assert served.url.startswith("https://127.0.0.1:")
            async with client.get(served.url, ssl=trusting) as answer:
                assert answer.status == 200
            origin = served.url.rstrip("/")
            async with client.ws_connect(
                served.url + "live", ssl=trusting, headers={"Origin": origin}
            ) as socket:
                assert await receive(socket, "state")
            with pytest.raises(aiohttp.ClientError):  # no plain HTTP at that port
                await client.get(served.url.replace("https", "http"))

    browse(test)
    with pytest.raises(RtstyleError, match="cannot be used"), studio(certificate=(chain, chain)):
        pass


def test_a_port_in_use_is_said_in_one_line() -> None:
    with studio() as served:
        port = int(served.url.rstrip("/").rsplit(":", 1)[1])
        with pytest.raises(RtstyleError, match=f"cannot listen at 127.0.0.1:{port}"):
            Studio(FakeSession(), port=port).start()


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())
    with studio() as served:
        browse(lambda client: client.get(served.url))
        assert set(threading.enumerate()) > before
    left = [each.name for each in set(threading.enumerate()) - before if each.name.startswith("rtstyle")]
    assert left == []
