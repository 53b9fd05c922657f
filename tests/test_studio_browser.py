"""The studio's page in a real headless Chromium, whose camera is a clip."""

import base64
import io
import math
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import torch

from rtstyle.frame import Frame, Source, VideoInfo
from rtstyle.live.session import LiveSession
from rtstyle.media.drawing.scene import Scene
from rtstyle.media.video_file import VideoFileSource
from rtstyle.studio import BrowserCamera, Studio, thumbnails
from rtstyle.stylizers.loading import load_palette
from tests.families import save_family

playwright = pytest.importorskip(
    "playwright.sync_api", reason="the page is tested with playwright: pip install playwright"
)

WIDTH, HEIGHT, RATE = 320, 240, 15
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome")
DENIED = (
    "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('no', 'NotAllowedError') }"
)

NAMED = """(each) => [each.ariaLabel, each.innerText, ...[...each.labels].map((label) => label.innerText)]
    .some((text) => text?.trim())"""
CANVAS = """() => {
    const { width, height } = document.getElementById("picture");
    const { data } = document.getElementById("picture").getContext("2d").getImageData(0, 0, width, height);
    return [width, height, btoa(Array.from(data, (each) => String.fromCharCode(each)).join(""))];
}"""


class Drawn(Source):
    """The scene as a live camera."""

    def __init__(self) -> None:
        self.info = VideoInfo(WIDTH, HEIGHT, Fraction(RATE))
        self._open = True

    def __iter__(self) -> Iterator[Frame]:
        image = torch.from_numpy(Scene(WIDTH, HEIGHT).draw(0))
        while self._open:
            time.sleep(1 / RATE)
            yield Frame(image, Fraction(time.monotonic()))

    def close(self) -> None:
        self._open = False


@pytest.fixture(scope="module")
def clip() -> list[np.ndarray]:
    """The pictures that the browser's camera shows: (H, W, 3), RGB. A person's where there is a clip."""
    real = Path(os.environ.get("RTSTYLE_ASSETS", "")) / "video" / "webcam_sign_man.mkv"
    if real.is_file():
        with VideoFileSource(real, size=(WIDTH, HEIGHT)) as frames:
            return [frame.image.permute(1, 2, 0).numpy() for frame in islice(frames, 0, 60, 10)]
    scene = Scene(WIDTH, HEIGHT)
    return [scene.draw(60 + second / 4).transpose(1, 2, 0) for second in range(6)]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, clip: list[np.ndarray]) -> Iterator[Any]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("no Chromium here: apt-get install chromium-headless-shell")
    y4m = tmp_path_factory.mktemp("camera") / "scene.y4m"
    with y4m.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F{RATE}:1 Ip A1:1 C420jpeg\n".encode())
        for picture in clip:
            file.write(b"FRAME\n" + cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420).tobytes())
    flags = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    flags.append(f"--use-file-for-fake-video-capture={y4m}")
    playwright.expect.set_options(timeout=20000)  # a busy machine
    with playwright.sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=path, args=flags)
        yield running
        running.close()


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveSession]:
    monkeypatch.setenv("RTSTYLE_STYLES", str(tmp_path))
    save_family(tmp_path, "kin", "ann", "bob", "cleo")
    made = LiveSession(
        BrowserCamera(otherwise=Drawn()),
        load_palette(["ann", "bob", "cleo"], device="cpu"),
        size=(WIDTH, HEIGHT),
        titles={"ann": "Ann, by Amy, 1900"},
        folder=tmp_path / "out",
    )
    running = threading.Thread(target=made.run)
    running.start()
    yield made
    made.do("quit")
    made.source.close()
    running.join(10)
    assert not running.is_alive()


@pytest.fixture
def studio(session: LiveSession) -> Iterator[Studio]:
    with serve(session) as running:
        yield running


def serve(session: LiveSession, port: int = 0) -> Studio:
    camera = session.source
    assert isinstance(camera, BrowserCamera)
    return Studio(session, port=port, camera=camera, thumbnails=thumbnails(["ann", "bob"]))


@pytest.fixture
def page(browser: Any, studio: Studio) -> Iterator[Any]:
    """The open page; anything the browser complains of fails the test."""
    opened = open_page(browser, studio)
    yield opened
    opened.context.close()
    assert opened.complaints == []


def open_page(browser: Any, studio: Studio, script: str = "", **options: Any) -> Any:
    opened = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options}).new_page()
    opened.complaints = []
    opened.on("console", lambda line: line.type == "error" and opened.complaints.append(line.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    if script:
        opened.add_init_script(script)
    opened.goto(studio.url)
    playwright.expect(opened.locator("#status-text")).to_have_text("Live")
    return opened


def canvas(page: Any) -> np.ndarray:
    """The picture on the screen: (H, W, 3), RGB."""
    width, height, data = page.evaluate(CANVAS)
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]


def nearness(one: np.ndarray, other: np.ndarray) -> float:
    """PSNR in dB; 0 for pictures of two sizes."""
    if one.shape != other.shape:
        return 0
    return 20 * math.log10(255) - 10 * math.log10(np.mean((one.astype(float) - other) ** 2) + 1e-9)


def eventually(fact: Callable[[], Any], page: Any, seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while not (value := fact()):
        assert time.monotonic() < end, "it did not come about"
        page.wait_for_timeout(50)
    return value


def newest(session: LiveSession, page: Any) -> tuple[np.ndarray, np.ndarray]:
    """Original and shown: (H, W, 3). The page says "Live" a moment before there is a first picture."""
    found = eventually(session.latest, page)
    return tuple(each.image.permute(1, 2, 0).numpy() for each in found[1:])  # type: ignore[return-value]


def test_the_picture_is_what_the_network_makes(page: Any, session: LiveSession) -> None:
    _, original, shown = eventually(session.latest, page)
    made = load_palette(["ann"], device="cpu")(original).image.permute(1, 2, 0).numpy()
    picture = shown.image.permute(1, 2, 0).numpy()
    assert nearness(made, picture) > 50  # another number of threads sums in another order
    eventually(lambda: nearness(canvas(page), picture) > 32, page)
    assert nearness(canvas(page), original.image.permute(1, 2, 0).numpy()) < 20
    playwright.expect(page.locator("#size")).to_have_text(f"{WIDTH} × {HEIGHT}")
    eventually(lambda: page.inner_text("#fps").isdigit() and page.inner_text("#latency").isdigit(), page)


def test_styles_mix_and_strength(page: Any, session: LiveSession) -> None:
    assert page.locator(".style").count() == 3
    assert page.locator(".style img").count() == 2  # cleo's thumbnail was not made
    playwright.expect(page.locator("#title")).to_have_text("Ann, by Amy, 1900")
    page.locator("#travel").fill("0")
    page.get_by_role("button", name="Bob").click()
    eventually(lambda: session.state()["mix"] == {"bob": 1.0}, page)
    playwright.expect(page.get_by_role("button", name="Bob")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("3")
    eventually(lambda: session.state()["mix"] == {"cleo": 1.0}, page)
    page.keyboard.press("ArrowRight")
    eventually(lambda: session.state()["mix"] == {"ann": 1.0}, page)
    page.locator("#travel").fill("0.5")
    page.keyboard.press("b")
    page.keyboard.press("b")  # while it is still on its way to cleo
    eventually(lambda: session.state()["mix"] == {"bob": 1.0}, page)
    page.keyboard.press("n")
    eventually(lambda: session.state()["mix"] == {"cleo": 1.0}, page)
    playwright.expect(page.locator("#mix input[name=cleo]")).to_have_value("100")
    page.locator("#mix input[name=bob]").fill("50")
    eventually(lambda: session.state()["mix"] == {"cleo": 2 / 3, "bob": 1 / 3}, page)
    playwright.expect(page.locator("#mix label").nth(2).locator("output")).to_have_text("67 %")
    page.locator("#strength").fill("40")
    eventually(lambda: session.state()["strength"] == 0.4, page)
    page.locator("#picture").click()
    page.keyboard.press("-")
    eventually(lambda: session.state()["strength"] == 0.3, page)
    page.locator("#canvas").fill("30")
    eventually(lambda: session.state()["canvas"] == 0.3, page)
    page.locator("#picture").click()
    page.keyboard.press("k")
    eventually(lambda: session.state()["canvas"] == 0, page)
    page.keyboard.press("k")
    eventually(lambda: session.state()["canvas"] == 0.5, page)
    playwright.expect(page.locator("#canvas-out")).to_have_text("50 %")
    page.get_by_role("switch", name="Tour").click()
    eventually(lambda: session.state()["tour"] == 5, page)


def test_what_another_sets_is_shown(page: Any, session: LiveSession) -> None:
    session.do("mix", weights={"ann": 1, "bob": 3})
    session.do("strength", value=0.25)
    session.do("mirror", on=True)
    playwright.expect(page.locator("#strength")).to_have_value("25")
    playwright.expect(page.locator("#mix input[name=bob]")).to_have_value("75")
    playwright.expect(page.locator("#do-mirror")).to_have_attribute("aria-pressed", "true")
    playwright.expect(page.locator("#strength-out")).to_have_text("25 %")


def test_the_split_follows_the_pointer(page: Any, session: LiveSession) -> None:
    box = page.locator("#picture").bounding_box()
    middle = box["y"] + box["height"] / 3
    page.mouse.click(box["x"] + 50, middle)
    assert session.state()["split"] is None  # a click is no drag
    page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, middle, steps=5)
    page.mouse.up()
    eventually(lambda: session.state()["split"] == pytest.approx(0.75, abs=0.01), page)
    left = slice(0, WIDTH // 2)
    eventually(lambda: nearness(canvas(page)[:, left], newest(session, page)[0][:, left]) > 32, page)
    page.locator("#split").press("ArrowLeft")
    eventually(lambda: session.state()["split"] == pytest.approx(0.73, abs=0.01), page)
    page.keyboard.press("s")
    eventually(lambda: session.state()["split"] is None, page)


def test_in_full_screen_the_line_is_where_the_picture_changes(page: Any, session: LiveSession) -> None:
    page.set_viewport_size({"width": 1600, "height": 600})
    page.keyboard.press("e")
    eventually(lambda: page.evaluate("Boolean(document.fullscreenElement)"), page)
    session.do("split", on=True, position=0.2)
    playwright.expect(page.locator("#split")).to_have_attribute("aria-valuenow", "20")
    page.wait_for_timeout(300)
    box, line = page.locator("#picture").bounding_box(), page.locator("#split").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(WIDTH / HEIGHT, abs=0.02)
    assert line["x"] + line["width"] / 2 == pytest.approx(box["x"] + 0.2 * box["width"], abs=2)
    page.locator("#do-snapshot").dispatch_event("click")
    playwright.expect(page.locator(":fullscreen .toast", has_text="snapshot")).to_be_visible()
    page.keyboard.press("e")
    eventually(lambda: not page.evaluate("Boolean(document.fullscreenElement)"), page)
    assert page.locator("body > #toasts").count() == 1


def test_a_slider_in_the_hand_stays_there(page: Any, session: LiveSession) -> None:
    page.locator("#mix-bob").scroll_into_view_if_needed()
    box = page.locator("#mix-bob").bounding_box()
    page.mouse.move(box["x"] + 9, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 9, box["y"] + box["height"] / 2, steps=4)
    eventually(lambda: session.state()["mix"].get("bob") == pytest.approx(0.5, abs=0.01), page)
    page.wait_for_timeout(1500)  # longer than a control that was let go follows the hand
    assert page.locator("#mix-bob").input_value() == "100"
    page.mouse.up()
    playwright.expect(page.locator("#mix-bob")).to_have_value("50")


def test_a_tour_of_any_length_is_shown_and_kept(page: Any, session: LiveSession) -> None:
    session.do("tour", seconds=60)
    playwright.expect(page.locator("#tour-out")).to_have_text("60 s a style")
    page.keyboard.press("t")
    eventually(lambda: session.state()["tour"] == 0, page)
    page.wait_for_timeout(1000)
    page.keyboard.press("t")
    eventually(lambda: session.state()["tour"] == 60, page)


def test_the_end_is_told_and_frees_the_camera(browser: Any, session: LiveSession) -> None:
    with serve(session) as served:
        page = open_page(browser, served)
        page.locator("#do-camera").click()
        playwright.expect(page.locator("#do-camera")).to_have_attribute("aria-pressed", "true")
        session.do("quit")
    page.wait_for_timeout(1500)  # it tries to connect again meanwhile
    playwright.expect(page.locator("#veil-title")).to_have_text("The session has ended")
    playwright.expect(page.locator("#do-camera")).to_have_attribute("aria-pressed", "false")
    page.context.close()


def test_record_and_snapshot(page: Any, session: LiveSession, tmp_path: Path) -> None:
    page.locator("#do-record").click()
    playwright.expect(page.locator("#rec-time")).to_have_text("0:01")
    page.keyboard.press("r")
    (path,) = eventually(lambda: list((tmp_path / "out").glob("*[0-9].mkv")), page)
    playwright.expect(page.locator(".toast", has_text="recorded")).to_be_visible()
    with av.open(io.BytesIO(path.read_bytes())) as video:
        assert sum(1 for _ in video.decode(video=0)) > 3
    page.locator("#do-snapshot").click()
    eventually(lambda: len(list((tmp_path / "out").glob("*.png"))) == 2, page)


def test_the_browsers_own_camera(page: Any, session: LiveSession, clip: list[np.ndarray]) -> None:
    page.locator("#do-camera").click()
    playwright.expect(page.locator("#camera-note")).to_contain_text("restyled on the server")

    def it_is_the_clip() -> bool:
        return max(nearness(newest(session, page)[0], each) for each in clip) > 26

    eventually(it_is_the_clip, page)
    session.do("freeze", on=True)
    page.wait_for_timeout(300)
    original, shown = newest(session, page)
    made = load_palette(["ann"], device="cpu")(Frame(torch.from_numpy(original.transpose(2, 0, 1).copy())))
    assert nearness(made.image.permute(1, 2, 0).numpy(), shown) > 50
    eventually(lambda: nearness(canvas(page), shown) > 32, page)
    session.do("freeze", on=False)
    eventually(lambda: page.inner_text("#latency").isdigit(), page)
    page.locator("#do-camera").click()
    eventually(lambda: not it_is_the_clip(), page)


def test_a_refused_camera_is_explained(browser: Any, studio: Studio) -> None:
    page = open_page(browser, studio, DENIED)
    page.keyboard.press("c")
    playwright.expect(page.locator(".toast.bad")).to_contain_text("refused the camera")
    playwright.expect(page.locator("#do-camera")).to_have_attribute("aria-pressed", "false")
    page.context.close()


def test_it_comes_back_after_a_restart(browser: Any, session: LiveSession) -> None:
    with serve(session) as first:
        port = int(first.url.rstrip("/").rsplit(":", 1)[1])
        page = open_page(browser, first)
        session.source = BrowserCamera(otherwise=Drawn())  # closing the first one would end this run
        session_camera, first.camera = first.camera, None
    playwright.expect(page.locator("#veil-title")).to_have_text("The studio is not there")
    second = Studio(session, port=port, camera=session_camera)
    with second:
        playwright.expect(page.locator("#status-text")).to_have_text("Live")
        eventually(lambda: page.inner_text("#fps").isdigit(), page)
        page.keyboard.press("2")
        eventually(lambda: "bob" in session.state()["mix"], page)
        session.do("quit")
        playwright.expect(page.locator("#status-text")).to_have_text("Ended")
    page.context.close()


@pytest.mark.parametrize(("width", "height"), [(1920, 1080), (1024, 640), (390, 844), (320, 568)])
def test_layout_and_labels(browser: Any, studio: Studio, width: int, height: int) -> None:
    page = open_page(browser, studio, viewport={"width": width, "height": height}, has_touch=width < 500)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#frame").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(WIDTH / HEIGHT, abs=0.02)
    tools = page.locator(".tools button:visible")
    for place in range(tools.count()):
        tool = tools.nth(place).bounding_box()
        assert tool["x"] >= 0 and tool["x"] + tool["width"] <= width + 1
        assert tool["y"] + tool["height"] <= height and tool["height"] >= 40
    for control in page.locator("button:visible, input:visible").all():
        assert control.evaluate(NAMED), control.evaluate("(each) => each.outerHTML")
    assert page.complaints == []
    page.context.close()


def test_help_lists_keys_and_ends_the_session_after_asking(page: Any, session: LiveSession) -> None:
    page.keyboard.press("h")
    playwright.expect(page.get_by_role("dialog")).to_contain_text("Style by number")
    page.keyboard.press("s")  # keys do nothing behind it
    page.keyboard.press("h")
    assert session.state()["split"] is None
    page.keyboard.press("q")
    page.locator("#quit").click()
    assert not session.ended
    page.locator("#quit").click()
    eventually(lambda: session.ended, page)
