"""Pairs of real frames for training, on a drawn clip."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from rtstyle.errors import RtstyleError
from rtstyle.frame import Frame, VideoInfo, to_float
from rtstyle.media.synthetic import SyntheticSource
from rtstyle.media.video_file import VideoFileSource
from rtstyle.media.video_writer import VideoFileSink
from rtstyle.pipeline import run
from rtstyle.training.clips import PAIRS, SHARE, Clips
from rtstyle.training.motion import temporal_error
from rtstyle.training.steadiness import clip_pairs

CROP = 48


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    class Untouched:
        def __call__(self, frame):  # type: ignore[no-untyped-def]
            return frame

        def reset(self) -> None: ...

    folder = tmp_path_factory.mktemp("clips")
    source = SyntheticSource(192, 108, seconds=1)
    run(source, Untouched(), VideoFileSink(folder / "scene.mp4", source.info))
    return folder


@pytest.fixture
def clips(folder: Path) -> Clips:
    return Clips(folder, crop=CROP, seed=0)


def test_some_places_take_a_pair_and_always_the_same(clips: Clips) -> None:
    taken = [place for place in range(200) if clips.views_at(place, CROP) is not None]
    assert 0.5 * SHARE * 200 < len(taken) < 1.6 * SHARE * 200
    once, again = clips.views_at(taken[0], CROP), clips.views_at(taken[0], CROP)
    assert once is not None and again is not None
    assert torch.equal(once[1].second, again[1].second)


def test_a_pair_may_be_cut_at_twice_the_side(clips: Clips) -> None:
    place = next(place for place in range(60) if clips.views_at(place, CROP))
    photo, views = clips.views_at(place, 2 * CROP) or pytest.fail("the same places take a pair")
    assert photo.shape == views.second.shape == (1, 3, 2 * CROP, 2 * CROP)


def test_a_pair_is_two_crops_and_the_flow_between_them(clips: Clips) -> None:
    pairs = [pair for place in range(60) if (pair := clips.views_at(place, CROP)) is not None]
    for photo, views in pairs:
        assert photo.shape == views.first.shape == views.second.shape == (1, 3, CROP, CROP)
        assert torch.equal(photo, views.first)
        assert views.flow.shape == (1, 2, CROP, CROP) and views.visible.dtype == torch.bool
    carried = sum(float(temporal_error(views.first, views.second, views)) for _, views in pairs)
    held = 0.0
    for _, views in pairs:
        still = type(views)(views.first, views.second, torch.zeros_like(views.flow), views.visible)
        held += float(temporal_error(views.first, views.second, still))
    assert carried < 0.7 * held, "the flow explains what moves"


def test_no_pair_lies_across_a_cut(tmp_path: Path) -> None:
    """Of a film of two scenes and of black after them."""
    scene = [frame.image for frame in SyntheticSource(192, 108, seconds=1)][:9]
    other = [255 - image.flip(1) for image in scene]
    black = [torch.zeros_like(image) for image in scene]
    frames = [Frame(image, Fraction(number, 30)) for number, image in enumerate(scene + other + black)]
    with VideoFileSink(tmp_path / "cut.mkv", VideoInfo(192, 108, Fraction(30), 27), crf=1) as sink:
        for frame in frames:
            sink.write(frame)

    def kinds(skip: int) -> list[str]:
        pairs = clip_pairs(tmp_path / "cut.mkv", 30, skip=skip)
        means = [(float(pair.source.mean()), float(pair.target.mean())) for pair in pairs]
        return ["black" if max(pair) < 0.1 else "cut" if min(pair) < 0.1 else "scene" for pair in means]

    # Frames 0 and 1, 2 and 3 and so on; those of 8 and 9 belong to two scenes.
    assert kinds(2) == ["scene"] * 8 + ["black"] * 4
    # Frames 0 and 1, 3 and 4 and so on: none across a cut.
    assert kinds(3) == ["scene"] * 6 + ["black"] * 3
    whole = Clips(tmp_path, crop=CROP, seed=0)
    assert all((to_float(pair.target) - to_float(pair.source)).abs().mean() < 0.1 for pair in whole.pairs)


def test_folders_without_clips_are_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(RtstyleError, match="holds no clip"):
        Clips(tmp_path, crop=CROP, seed=0)


@pytest.mark.parametrize("apart", (1, 300))
def test_upright_clips_and_all_of_a_long_one_are_learned_from(
    apart: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rtstyle.training.clips._APART", apart)  # pairs sought for, or the clip read through

    class Upright:
        def __call__(self, frame: Frame) -> Frame:
            return replace(frame, image=frame.image.transpose(1, 2).contiguous())

        def reset(self) -> None: ...

    source = SyntheticSource(108, 72, seconds=25)
    info = replace(source.info, width=72, height=108)
    run(source, Upright(), VideoFileSink(tmp_path / "up.mp4", info, preset="ultrafast"))
    (tmp_path / "broken.mp4").write_bytes(b"")
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.mp4").mkdir()
    clips = Clips(tmp_path, crop=CROP, seed=0)
    assert len(clips.pairs) == PAIRS
    assert {pair.target.shape[-2:] for pair in clips.pairs} == {(144, 96)}
    assert [path.name for path in clips.skipped] == ["broken.mp4"]
    first, last = to_float(clips.pairs[0].target), to_float(clips.pairs[-1].target)
    with VideoFileSource(tmp_path / "up.mp4", start=Fraction(23), size=(96, 144)) as late:
        near = min(float((to_float(frame.image) - last[0]).abs().mean()) for frame in late)
    assert near < 0.01 < float((first - last).abs().mean())
