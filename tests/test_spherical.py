"""360-degree pictures say so, before and after."""

from pathlib import Path

import pytest
import torch

from rtstyle.media.image_file import read_image, write_image
from rtstyle.media.picture import Picture
from rtstyle.media.spherical import read_sphere, write_sphere


def test_directions_stay_and_sizes_are_the_pictures_own() -> None:
    packet = write_sphere({"PoseHeadingDegrees": "-350.5"}, 200, 100)
    assert b'GPano:FullPanoWidthPixels="200"' in packet
    assert b'GPano:CroppedAreaImageHeightPixels="100"' in packet
    assert read_sphere(packet) == {"PoseHeadingDegrees": "-350.5"}


def test_elements_are_read_as_attributes_are() -> None:
    packet = (
        "<GPano:ProjectionType>equirectangular</GPano:ProjectionType>"
        "<GPano:PosePitchDegrees>\n 2.0 </GPano:PosePitchDegrees>"
        "<GPano:PoseRollDegrees>&quot;level</GPano:PoseRollDegrees>"
    )
    assert read_sphere(packet) == {"PosePitchDegrees": "2.0"}


def test_other_pictures_are_none() -> None:
    whole = write_sphere({}, 200, 100)
    assert read_sphere(None) is None
    assert read_sphere(b"<x/>") is None
    assert read_sphere(whole.replace(b'Type="equirectangular"', b'Type="cylindrical"')) is None
    assert (
        read_sphere(
            whole.replace(b'CroppedAreaImageHeightPixels="100"', b'CroppedAreaImageHeightPixels="60"')
        )
        is None
    )


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("samples", [torch.uint8, torch.uint16])
def test_files_keep_it(tmp_path: Path, suffix: str, samples: torch.dtype) -> None:
    image = torch.zeros(3, 8, 16, dtype=samples if suffix in (".png", ".tif") else torch.uint8)
    file = tmp_path / f"all{suffix}"
    assert write_image(file, Picture(image, sphere={"PoseHeadingDegrees": "90"})) == []
    assert read_image(file).sphere == {"PoseHeadingDegrees": "90"}
    assert b"equirectangular" in file.read_bytes()
    write_image(file, Picture(image))
    assert read_image(file).sphere is None


def test_files_that_cannot_keep_it_say_so(tmp_path: Path) -> None:
    image = torch.zeros(3, 8, 16, dtype=torch.uint8)
    said = ["that the picture goes all around is no longer said in the file"]
    assert write_image(tmp_path / "all.bmp", Picture(image, sphere={})) == said
