"""4:2:0 in Triton against PyTorch's way, in Triton's interpreter; and that it builds for a GPU."""

from itertools import product

import pytest
import torch

from rtstyle.media import nv12
from tests.gpus import interpreted, needs_gpu, needs_triton

# (H, W): one cell, less than a program's share, several programs both ways.
SIZES = ((2, 2), (6, 130), (14, 1026))


def planes(height: int, width: int, bits: int) -> list[torch.Tensor]:
    """Random luma and chroma, in rows that are padded as a decoder's are."""
    shapes = ((height, width + 6), (height // 2, width // 2 + 5, 2))
    whole = [torch.randint(0, 2**bits, shape) for shape in shapes]
    kept = [each.byte() if bits == 8 else (each << (16 - bits)).to(torch.uint16) for each in whole]
    return [kept[0][:, :width], kept[1][:, : width // 2]]


def differences(device: str) -> tuple[int, float]:
    """Largest difference from PyTorch's bytes, and the largest share of bytes that differ in a picture."""
    from rtstyle.media import nv12_kernels

    torch.manual_seed(0)
    found = []
    for (height, width), matrix, full in product(SIZES, (1, 9), (False, True)):
        for bits, left in product((8, 10), (False, True)):
            samples = planes(height, width, bits)
            right = nv12.to_rgb(*samples, matrix, full, bits, left)
            there = [each.to(device) for each in samples]
            factors = nv12.to_rgb_factors(matrix, full, bits)
            found.append((nv12_kernels.to_rgb(*there, factors, left).cpu(), right))
        rows = torch.randint(0, 256, (height, width, 3)).byte().permute(2, 0, 1)
        for image in (rows, rows.contiguous()):  # pixel by pixel, and in planes
            right = nv12.to_yuv420p(image, matrix, full)
            mine = torch.zeros_like(right, device=device)
            views = nv12.planes(mine, height, width)
            nv12_kernels.to_yuv420p(image.to(device), *views, nv12.to_yuv_factors(matrix, full))
            found.append((mine.cpu(), right))
    off = [(mine.int() - right.int()).abs() for mine, right in found]
    return max(int(each.max()) for each in off), max(float((each > 0).float().mean()) for each in off)


@needs_triton
def test_they_compute_what_pytorch_does() -> None:
    largest, share = map(float, interpreted(__name__, "*differences('cpu')").split())
    assert largest <= 1 and share < 0.001  # where a sum in another order falls on the other side


@needs_gpu
def test_they_compute_what_pytorch_does_on_a_gpu() -> None:
    largest, share = differences("cuda")
    assert largest <= 1 and share < 0.001
    assert nv12._kernels(torch.device("cuda", 0)) is not None


@needs_triton
@pytest.mark.parametrize("samples", ("*u8", "*u16"))
@pytest.mark.parametrize("left", (False, True))
def test_they_build_without_a_gpu(samples: str, left: bool) -> None:
    """For the H100 and H200."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from rtstyle.media import nv12_kernels

    fixed = {"LEFT": left, "HIGH": nv12_kernels._HIGH, "WIDE": nv12_kernels._WIDE}
    whole = ("height", "width", "luma_row", "chroma_row", "high", "wide", "plane", "row", "column")
    types = dict.fromkeys(whole, "i32") | {"image": "*u8", "blue_plane": "*u8", "red_plane": "*u8"}
    for kernel, planes_of in ((nv12_kernels._to_rgb, samples), (nv12_kernels._to_yuv420p, "*u8")):
        given = types | {"luma": planes_of, "chroma": planes_of}
        names = kernel.arg_names
        source = ASTSource(
            kernel,
            {name: "constexpr" if name in fixed else given.get(name, "fp32") for name in names},
            {(place,): fixed[name] for place, name in enumerate(names) if name in fixed},
            {},
        )
        made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=nv12_kernels._WAY)
        assert made.asm["cubin"]
