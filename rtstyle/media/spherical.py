"""What a file says of a picture that goes all around: Google's Photo Sphere properties, in XMP.

https://developers.google.com/streetview/spherical-metadata
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SPACE = "http://ns.google.com/photos/1.0/panorama/"
# Where it looks; the sizes are those of the picture itself.
_KEPT = (
    "PoseHeadingDegrees", "PosePitchDegrees", "PoseRollDegrees", "InitialViewHeadingDegrees",
    "InitialViewPitchDegrees", "InitialViewRollDegrees", "InitialHorizontalFOVDegrees",
)  # fmt: skip
_VALUE = r"GPano:{name}(?:\s*=\s*[\"']|>)\s*([^<\"']*?)\s*[<\"']"  # as an attribute, or as an element


def read_sphere(xmp: bytes | str | None) -> dict[str, str] | None:
    """The directions an equirectangular picture was taken in; None where XMP tells of none, or of a part."""
    text = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else xmp or ""

    def value(name: str) -> str | None:
        found = re.search(_VALUE.format(name=name), text)
        return found[1] if found else None

    if value("ProjectionType") != "equirectangular":
        return None
    for side in ("Width", "Height"):
        whole, part = value(f"FullPano{side}Pixels"), value(f"CroppedAreaImage{side}Pixels")
        if whole is not None and part is not None and whole != part:
            return None
    return {name: found for name in _KEPT if (found := value(name)) is not None and _is_number(found)}


def write_sphere(sphere: Mapping[str, str], width: int, height: int) -> bytes:
    """An XMP packet that calls a picture of that size equirectangular, with its directions."""
    values = {
        "ProjectionType": "equirectangular",
        "UsePanoramaViewer": "True",
        "FullPanoWidthPixels": str(width),
        "FullPanoHeightPixels": str(height),
        "CroppedAreaImageWidthPixels": str(width),
        "CroppedAreaImageHeightPixels": str(height),
        "CroppedAreaLeftPixels": "0",
        "CroppedAreaTopPixels": "0",
        **sphere,
    }
    properties = " ".join(f'GPano:{name}="{value}"' for name, value in values.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:GPano="{_SPACE}" {properties}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?\d+(\.\d+)?", text) is not None
