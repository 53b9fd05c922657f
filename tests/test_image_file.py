"""Still pictures: what a file carries survives where the format can hold it, and the rest is said."""

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import av
import cv2
import numpy as np
import pytest
import torch
from PIL import Image, ImageCms, TiffImagePlugin

from rtstyle.errors import RtstyleError
from rtstyle.media import image_file
from rtstyle.media.image_file import read_image, write_image
from rtstyle.media.image_formats import find_images, is_image_name
from rtstyle.media.picture import Picture

RNG = np.random.default_rng(0)
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(height: int = 24, width: int = 40) -> np.ndarray:
    """uint8 (H, W, 3) that JPEG keeps nearly as it is; every corner differs."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, 255 - x * 255 // width], axis=2).astype(np.uint8)


def deep(channels: int) -> np.ndarray:
    return RNG.integers(0, 65536, (6, 9, channels)).astype(np.uint16)


def planes(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def wide_profile() -> bytes:
    """A small RGB profile whose red is sRGB's green and green its red: a conversion cannot be missed."""
    profile = bytearray(SRGB)
    tags = {
        bytes(profile[at : at + 4]): at
        for at in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12)
    }
    red, green = (profile[tags[name] + 4 : tags[name] + 8] for name in (b"rXYZ", b"gXYZ"))
    profile[tags[b"rXYZ"] + 4 : tags[b"rXYZ"] + 8] = green
    profile[tags[b"gXYZ"] + 4 : tags[b"gXYZ"] + 8] = red
    return bytes(profile)


def linear_gray_profile() -> bytes:
    """A gray ICC profile whose samples are light itself (gamma 1), by the specification."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)  # D50
    curve = b"curv\0\0\0\0" + struct.pack(">IH2x", 1, 256)
    table = struct.pack(">I4sII4sII", 2, b"wtpt", 156, len(white), b"kTRC", 156 + len(white), len(curve))
    body = table + white + curve
    header = bytearray(128)
    header[:24] = struct.pack(">I4sI4s4s4s", 128 + len(body), bytes(4), 0x02100000, b"mntr", b"GRAY", b"XYZ ")
    header[36:40], header[68:80] = b"acsp", white[8:]
    return bytes(header) + body


def deep_png(pixels: np.ndarray) -> bytes:
    """uint16 (H, W, 1 gray, 2 gray and alpha, 3 or 4) as PNG, by the specification."""
    height, width, channels = pixels.shape

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".webp", ".avif", ".tif", ".tiff", ".bmp"])
def test_every_format_gives_the_picture_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    assert write_image(path, Picture(planes(smooth()))) == []
    again = read_image(path)
    assert (again.image.dtype, again.alpha, again.notes) == (torch.uint8, None, ())
    tolerance = 4 if suffix in (".jpg", ".JPEG", ".webp", ".avif") else 0
    assert (again.image.int() - planes(smooth()).int()).abs().float().mean() <= tolerance
    assert [each.name for each in tmp_path.iterdir()] == [f"a{suffix}"]


def test_jpeg_keeps_colour_at_full_size(tmp_path: Path) -> None:
    write_image(tmp_path / "a.jpg", Picture(planes(smooth())))
    assert Image.open(tmp_path / "a.jpg").layer[0][1:3] == (1, 1)  # sampling factors of luma: 4:4:4


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".heic", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    if suffix == ".heic":
        pytest.importorskip("pillow_heif")
    upright = smooth()
    # How a file of that orientation stores the picture, from the EXIF definition: where the first row
    # and the first column of the file are in the upright picture.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112], exif[0x0110], exif[0x0132] = orientation, "Camera 7", "2001:02:03 04:05:06"
    exif[0x8769] = {0x829A: 0.5, 0x927C: b"notes of the maker"}
    path = tmp_path / f"a{suffix}"
    Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif.tobytes(), quality=95)
    picture = read_image(path)
    assert picture.image.shape == (3, 24, 40)
    assert (picture.image.int() - planes(upright).int()).abs().float().mean() < 4
    write_image(tmp_path / "again.jpg", picture)
    again = Image.open(tmp_path / "again.jpg").getexif()
    assert (again[0x0110], again[0x0132], again.get_ifd(0x8769)) == (
        "Camera 7",
        "2001:02:03 04:05:06",
        {0x829A: 0.5},
    )
    assert 0x0112 not in again


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_what_a_camera_tells_survives(tmp_path: Path, suffix: str, channels: int) -> None:
    """Its exposure and place are directories of their own, which Pillow's TIFF writer trips over."""
    exif = Image.Exif()
    exif[0x0110], exif[0x8769] = "Camera 7", {0x829A: 0.5}
    exif[0x8825] = {1: "N", 2: (52.0, 30.0, 0.0)}
    Image.fromarray(smooth()).save(tmp_path / "photo.jpg", exif=exif.tobytes())
    picture = read_image(tmp_path / "photo.jpg")
    alpha = picture.image[0] if channels == 4 and suffix != ".jpg" else None
    path = tmp_path / f"a{suffix}"
    assert write_image(path, replace(picture, alpha=alpha)) == []
    again = read_image(path)
    assert (again.image.int() - picture.image.int()).abs().float().mean() < 3
    assert (again.alpha is None) == (alpha is None)
    found = Image.open(path).getexif()
    assert found[0x0110] == "Camera 7" and found.get_ifd(0x8769) == {0x829A: 0.5}
    assert found.get_ifd(0x8825) == {1: "N", 2: (52.0, 30.0, 0.0)}
    if suffix == ".tif":
        assert torch.equal(again.image, picture.image)
        if alpha is None:  # another reader's view
            assert np.array_equal(cv2.imread(str(path))[:, :, ::-1], picture.image.permute(1, 2, 0))


def test_ten_bits_that_become_eight_are_said(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.avif"), "w", format="avif") as output:
        stream = output.add_stream("libsvtav1", rate=1, options={"preset": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p10le"
        frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), "rgb24")
        frame = frame.reformat(format="yuv420p10le")
        output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    picture = read_image(tmp_path / "a.avif")
    assert picture.notes == ("10 bits a sample became 8: no more is read of AVIF",)
    assert (picture.image.int() - 90).abs().max() <= 2
    write_image(tmp_path / "b.avif", picture)
    assert read_image(tmp_path / "b.avif").notes == ()


def test_colours_named_by_numbers_are_said_where_they_are_not_read(tmp_path: Path) -> None:
    for primaries, transfer, said in ((9, 16, "BT.2020, PQ"), (12, 13, "Display P3"), (1, 13, None)):
        with av.open(str(tmp_path / "a.avif"), "w", format="avif") as output:
            stream = output.add_stream("libsvtav1", rate=1, options={"preset": "12"})
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = primaries, transfer, 1
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 90, np.uint8), "rgb24")
            output.mux(stream.encode(frame.reformat(format="yuv420p")))
            output.mux(stream.encode(None))
        Image.fromarray(smooth()).save(tmp_path / "plain.png")
        plain = (tmp_path / "plain.png").read_bytes()
        body = b"cICP" + bytes([primaries, transfer, 0, 1])
        chunk = struct.pack(">I", 4) + body + struct.pack(">I", zlib.crc32(body))
        (tmp_path / "a.png").write_bytes(plain[:33] + chunk + plain[33:])
        for name in ("a.avif", "a.png"):
            notes = (f"its colours ({said}) were read as sRGB",) if said else ()
            assert read_image(tmp_path / name).notes == notes, (name, said)


def test_heic_says_what_was_left_out(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    deep = np.full((48, 64, 3), 90 * 257, np.uint16)
    file = heif.from_bytes("RGB;16", (64, 48), deep.tobytes())
    file.add_frombytes("RGB;16", (64, 48), deep.tobytes())
    file.save(tmp_path / "a.heic", quality=90, primary_index=1)
    assert read_image(tmp_path / "a.heic").notes == (
        "10 bits a sample became 8: no more is read of HEIF",
        "the main one of 2 pictures was taken",
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".avif", ".tif"])
def test_a_colour_profile_survives(tmp_path: Path, suffix: str) -> None:
    first, second = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    write_image(first, Picture(planes(smooth()), icc=wide_profile()))
    picture = read_image(first)
    assert picture.icc == wide_profile()
    write_image(second, picture)
    assert Image.open(second).info["icc_profile"] == wide_profile()


def test_a_format_without_profiles_gets_srgb_and_says_so(tmp_path: Path) -> None:
    green = np.zeros((4, 4, 3), np.uint8)
    green[:, :, 1] = 255
    notes = write_image(tmp_path / "a.bmp", Picture(planes(green), icc=wide_profile()))
    assert notes == ["colours were converted to sRGB: BMP holds no colour profile"]
    assert (read_image(tmp_path / "a.bmp").image[:, 0, 0].int() - torch.tensor([255, 0, 0])).abs().max() < 8


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bits_survive_with_profile_and_camera(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = deep(channels)
    alpha = torch.from_numpy(pixels[:, :, 3].copy()) if channels == 4 else None
    exif = Image.Exif()
    exif[0x0110], exif[0x8769] = "Camera 7", {0x829A: 0.5}
    path = tmp_path / f"a{suffix}"
    assert write_image(path, Picture(planes(pixels[:, :, :3]), alpha, SRGB, exif)) == []
    again = read_image(path)
    assert torch.equal(again.image, planes(pixels[:, :, :3]))
    assert (again.alpha is None) == (alpha is None)
    assert alpha is None or torch.equal(again.alpha, alpha)
    assert again.icc == SRGB
    assert again.exif is not None and again.exif[0x0110] == "Camera 7"
    assert Image.open(path).getexif().get_ifd(0x8769)[0x829A] == 0.5
    assert np.array_equal(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:, :, 2], pixels[:, :, 0])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_sixteen_bit_png_of_every_kind(tmp_path: Path, channels: int) -> None:
    pixels = deep(channels)
    (tmp_path / "a.png").write_bytes(deep_png(pixels))
    picture = read_image(tmp_path / "a.png")
    colours = pixels[:, :, :3] if channels > 2 else np.repeat(pixels[:, :, :1], 3, axis=2)
    assert torch.equal(picture.image, planes(colours))
    assert (picture.alpha is None) == (channels in (1, 3))
    assert picture.alpha is None or np.array_equal(picture.alpha.numpy(), pixels[:, :, -1])


def deep_tiff(pixels: np.ndarray, **tags: int) -> bytes:
    """uint16 (H, W, C) as uncompressed TIFF, with tags (t262=2, ...) by their numbers in TIFF 6.0."""
    height, width, channels = pixels.shape
    whole = {256: width, 257: height, 258: (16,) * channels, 259: 1, 262: 2 if channels > 2 else 1, 273: 0}
    whole |= {277: channels, 278: height, 279: pixels.nbytes} | {int(key[1:]): tags[key] for key in tags}
    directory = TiffImagePlugin.ImageFileDirectory_v2(b"II*\0\0\0\0\0")
    for tag, value in whole.items():
        directory[tag] = value
    out = io.BytesIO()
    directory.save(out)
    return out.getvalue() + pixels.astype("<u2").tobytes()


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bit_tiff_is_upright(tmp_path: Path, channels: int, orientation: int) -> None:
    pixels = deep(channels)
    (tmp_path / "a.tif").write_bytes(deep_tiff(pixels, t274=orientation))
    upright = np.rot90(pixels, -1) if orientation == 6 else pixels
    assert torch.equal(read_image(tmp_path / "a.tif").image, planes(upright).expand(3, -1, -1))


def test_sixteen_bit_tiff_of_other_layouts(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    gray, colour = deep(1), deep(3)
    path.write_bytes(deep_tiff(gray, t262=0))
    assert torch.equal(read_image(path).image, planes(65535 - gray).expand(3, -1, -1)), "zero is white"
    half = np.concatenate([colour // 2, np.full((6, 9, 1), 32768, np.uint16)], axis=2)
    path.write_bytes(deep_tiff(half, t338=1))
    found = read_image(path).image.int()
    assert (found - planes(colour).int()).abs().max() <= 2, "colours were multiplied by alpha"
    path.write_bytes(deep_tiff(colour, t284=2))
    assert "not supported" in refusal(path)


def test_what_a_format_cannot_hold_is_said(tmp_path: Path) -> None:
    image = torch.full((3, 4, 4), 0x8080, dtype=torch.int32).to(torch.uint16)
    alpha = torch.tensor([0, 65535, 65535, 65535]).expand(4, 4).to(torch.uint16)
    notes = write_image(tmp_path / "a.bmp", Picture(image, alpha))
    assert notes == [
        "transparency was laid on white: BMP holds none",
        "16 bits a sample became 8: BMP holds no more",
    ]
    assert read_image(tmp_path / "a.bmp").image[0, 0].tolist() == [255, 128, 128, 128]


def test_every_kind_of_pixel_becomes_rgb(tmp_path: Path) -> None:
    gray = Image.fromarray(smooth()[:, :, 0])
    colour = Image.fromarray(smooth())
    transparent = colour.copy()
    transparent.putalpha(gray)
    palette = colour.quantize(16)
    grays = transparent.convert("LA")
    bits = gray.convert("1")
    cmyk = colour.convert("CMYK")
    cases = {
        "gray.png": (gray, False), "gray.jpg": (gray, False), "gray.tif": (gray, False),
        "gray.webp": (gray, False), "gray_alpha.png": (grays, True), "gray_alpha.tif": (grays, True),
        "bits.png": (bits, False), "bits.tif": (bits, False), "bits.bmp": (bits, False),
        "palette.png": (palette, False), "palette.bmp": (palette, False), "palette.gif": (palette, False),
        "rgba.webp": (transparent, True), "rgba.tif": (transparent, True), "cmyk.jpg": (cmyk, False),
        "cmyk.tif": (cmyk, False), "ycbcr.tif": (colour.convert("YCbCr"), False),
    }  # fmt: skip
    for name, (source, has_alpha) in cases.items():
        source.save(tmp_path / name, **({"lossless": True, "exact": True} if name.endswith("webp") else {}))
        picture = read_image(tmp_path / name)
        assert picture.image.shape == (3, 24, 40) and picture.image.dtype == torch.uint8, name
        expected = planes(np.asarray(source.convert("RGBA").convert("RGB"))).int()
        assert (picture.image.int() - expected).abs().float().mean() < 3, name
        assert (picture.alpha is not None) == has_alpha, name
        if picture.alpha is not None:
            assert np.array_equal(picture.alpha.numpy(), smooth()[:, :, 0]), name
    assert read_image(tmp_path / "gray.png").mode == "L"
    assert "CMYK" in read_image(tmp_path / "cmyk.jpg").notes[0]


def test_transparent_colours_of_palettes_and_keys(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (9, 8, 7)).quantize(2).save(tmp_path / "palette.png", transparency=0)
    Image.new("RGB", (4, 4), (9, 8, 7)).save(tmp_path / "key.png", transparency=(9, 8, 7))
    for name in ("palette.png", "key.png"):
        alpha = read_image(tmp_path / name).alpha
        assert alpha is not None and alpha.max() == 0


def test_gray_with_its_own_profile_becomes_srgb(tmp_path: Path) -> None:
    """Half the light of white is 188 in sRGB."""
    Image.new("L", (4, 4), 128).save(tmp_path / "a.png", icc_profile=linear_gray_profile())
    picture = read_image(tmp_path / "a.png")
    assert picture.icc is None and picture.notes == ()
    assert (picture.image.int() - 188).abs().max() <= 2


def test_profiles_that_do_not_fit_are_left_out_and_said(tmp_path: Path) -> None:
    colour = Image.fromarray(smooth())
    colour.save(tmp_path / "a.png", icc_profile=b"no profile at all" * 20)
    assert read_image(tmp_path / "a.png").notes == ("the colour profile is damaged and was left out",)
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    colour.save(tmp_path / "b.jpg", icc_profile=lab)
    assert read_image(tmp_path / "b.jpg").notes == ("the colour profile is for Lab and was left out",)


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    for suffix in ("gif", "webp", "tif"):
        first.save(tmp_path / f"a.{suffix}", save_all=True, append_images=[second])
        picture = read_image(tmp_path / f"a.{suffix}")
        assert picture.notes == ("the first of 2 frames or pages was taken",)
        assert (picture.image[:, 4, 4].int() - torch.tensor([255, 0, 0])).abs().max() < 8


def refusal(path: Path) -> str:
    with pytest.raises(RtstyleError) as caught:
        read_image(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_bad_files_give_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    noise = Image.fromarray(RNG.integers(0, 256, (40, 60, 3)).astype(np.uint8))
    for suffix in ("jpg", "png", "webp", "avif", "tif", "bmp"):
        path = tmp_path / f"cut.{suffix}"
        write_image(path, Picture(planes(np.asarray(noise))))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        assert "damaged" in refusal(path)
    (tmp_path / "deep.png").write_bytes(deep_png(deep(3))[:-60])
    assert "damaged" in refusal(tmp_path / "deep.png")
    write_image(tmp_path / "deep.tif", Picture(planes(deep(3))))
    (tmp_path / "deep.tif").write_bytes((tmp_path / "deep.tif").read_bytes()[:-60])
    assert "damaged" in refusal(tmp_path / "deep.tif")
    (tmp_path / "text.jpg").write_text("this is no picture")
    assert "is no JPEG, PNG" in refusal(tmp_path / "text.jpg")
    (tmp_path / "clip.mp4").write_text("this is no picture")
    assert "named like a video, and a picture is wanted here; rtstyle video takes videos" in refusal(
        tmp_path / "clip.mp4"
    )
    (tmp_path / "empty.png").touch()
    assert "empty" in refusal(tmp_path / "empty.png")
    assert "no such file" in refusal(tmp_path / "absent.png")
    assert "directory" in refusal(tmp_path)
    assert capfd.readouterr() == ("", "")


def test_a_picture_too_large_to_decode_is_refused_before(tmp_path: Path) -> None:
    bomb = bytearray(deep_png(deep(3)))
    bomb[16:24] = struct.pack(">II", 100_000, 100_000)
    bomb[29:33] = struct.pack(">I", zlib.crc32(bytes(bomb[12:29])))
    (tmp_path / "bomb.png").write_bytes(bomb)
    assert "million pixels" in refusal(tmp_path / "bomb.png")


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", format="PNG")
    assert torch.equal(read_image(tmp_path / "a.jpg").image, planes(smooth()))


def test_without_its_reader_a_phones_picture_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pillow_heif")
    Image.fromarray(smooth()).save(tmp_path / "a.heic")
    monkeypatch.setattr(image_file, "READS_HEIC", False)
    monkeypatch.setattr(image_file, "FORMATS", ("JPEG", "PNG"))
    assert "pip install 'rtstyle[heic]'" in refusal(tmp_path / "a.heic")
    (tmp_path / "text.heic").write_text("this is no picture")
    assert "pip" not in refusal(tmp_path / "text.heic")


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    write_image(path, Picture(planes(smooth())))
    before = path.read_bytes()
    with pytest.raises(RtstyleError, match="cannot write"):
        write_image(path, Picture(torch.zeros(3, 0, 5, dtype=torch.uint8)))
    assert path.read_bytes() == before
    with pytest.raises(RtstyleError, match="extension"):
        write_image(tmp_path / "a.xyz", Picture(planes(smooth())))
    with pytest.raises(RtstyleError, match="cannot write"):
        write_image(tmp_path / "nowhere" / "a.png", Picture(planes(smooth())))
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]


def test_images_are_found_by_extension(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in (
        "z.JPG",
        "a.png",
        "b/c/k.TIFF",
        "b/x.webp",
        "b/IMG.HEIC",
        "b/notes.txt",
        ".hidden.png",
        "b/clip.mp4",
    ):
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path).as_posix()) for path in find_images(tmp_path)]
    assert names == ["a.png", "b/IMG.HEIC", "b/c/k.TIFF", "b/x.webp", "z.JPG"]
    assert is_image_name("A.JPG") and not is_image_name("a.mp4")
    assert not is_image_name("a.heic")  # read, not written


def test_hidden_folders_hold_no_pictures(tmp_path: Path) -> None:
    for name in ("a/b.png", "a/.thumbs/b.png", ".c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_image(tmp_path / name, Picture(torch.zeros(3, 4, 4, dtype=torch.uint8)))
    assert find_images(tmp_path) == [tmp_path / "a/b.png"]
    assert find_images(tmp_path / "a" / ".thumbs") == [tmp_path / "a/.thumbs/b.png"], "asked for by name"


def test_too_little_memory_is_said_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    write_image(path, Picture(torch.zeros(3, 4, 4, dtype=torch.uint8)))
    monkeypatch.setattr(image_file, "_read", Mock(side_effect=MemoryError))
    with pytest.raises(RtstyleError, match="too little memory"):
        read_image(path)
