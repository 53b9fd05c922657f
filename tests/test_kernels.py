"""Norm and border in Triton against PyTorch's, in Triton's interpreter; and that they build for a GPU."""

import torch
from torch.nn import functional as F

from rtstyle.networks.blocks import InstanceNorm, ReflectConv, reflect
from tests.gpus import interpreted, needs_gpu, needs_triton

# (B, C, H, W): one part and many, channels no power of two, sizes no multiple of a tile.
SHAPES = ((1, 8, 40, 24), (2, 3, 17, 13), (3, 64, 9, 9))


def given_to_norm(shape: tuple[int, ...], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """Features whose means are far from zero, weight and bias."""
    torch.manual_seed(0)
    features = torch.randn(shape) * 3 + torch.randn(1, shape[1], 1, 1) * 20
    values = (features.contiguous(memory_format=torch.channels_last), torch.randn(2, shape[1]))
    return (values[0].to(dtype), *values[1].to(dtype))


def worst(device: str) -> float:
    """Largest distance of a norm from PyTorch's in float64, in units of a rounding error."""
    from rtstyle.engines import kernels

    for layout in (torch.channels_last, torch.contiguous_format):
        for shape, width in (((2, 6, 7, 9), 1), ((1, 3, 5, 40), 4), ((1, 16, 9, 300), 1)):
            features = torch.rand(shape).half().contiguous(memory_format=layout)
            bordered = kernels.reflect(features.to(device), width).cpu()
            assert torch.equal(bordered, reflect(features, width))
            assert bordered.is_contiguous(memory_format=torch.channels_last)
    found = 0.0
    for shape in SHAPES:
        for dtype in (torch.float32, torch.float16):
            for relu in (False, True):
                given = [each.to(device) for each in given_to_norm(shape, dtype)]
                mine = kernels.norm(given[0], given[1], given[2], 1e-5, relu)
                assert mine.dtype == dtype
                assert mine.is_contiguous(memory_format=torch.channels_last)
                features, weight, bias = (each.double() for each in given)
                right = F.group_norm(features, shape[1], weight, bias, 1e-5)
                right = right.relu() if relu else right
                room = max(torch.finfo(dtype).eps, 1e-5) * (1 + right.abs())
                found = max(found, float(((mine - right).abs() / room).max()))
    return found


@needs_triton
def test_they_compute_what_pytorch_does() -> None:
    assert float(interpreted(__name__, "worst('cpu')")) < 1


@needs_gpu
def test_they_compute_what_pytorch_does_on_a_gpu() -> None:
    assert worst("cuda") < 1


@needs_triton
def test_they_build_without_a_gpu() -> None:
    """For the H100 and H200; pixels are read and written 16 bytes at once."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from rtstyle.engines import kernels

    types = {name: "*fp16" for name in ("features", "result", "weight", "bias")}
    types |= {"partial": "*fp32", "whole": "*fp32", "eps": "fp32"}
    types |= {name: "i32" for name in ("channels", "pixels", "share", "parts", "height", "width")}
    fixed = {
        "count": 1,
        "border": 1,
        "PIXELS": 128,
        "RELU": True,
        "ROWS": 128,
        "COLUMNS": 32,
        "PARTS": 512,
        "GROUP": 8,
    }
    for kernel in (kernels._part_moments, kernels._whole_moments, kernels._apply, kernels._reflect):
        names = kernel.arg_names
        source = ASTSource(
            kernel,
            {name: types.get(name, "constexpr") for name in names},
            {(place,): fixed[name] for place, name in enumerate(names) if name in fixed},
            {(place,): [["tt.divisibility", 16]] for place, name in enumerate(names) if name not in fixed},
        )
        options = {"num_warps": 8, "enable_fp_fusion": True}
        made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        if "features" in names:
            assert "ld.global.v4.b32" in made.asm["ptx"]
        if "result" in names:
            assert "st.global.v4.b32" in made.asm["ptx"]
        assert made.asm["cubin"]


def test_a_kernel_takes_the_place_of_pytorchs() -> None:
    calls = []

    def kernel(features, weight, bias, eps, relu):
        calls.append((weight is module.weight, bias is module.bias, eps, relu))
        return features

    module, features = InstanceNorm(4), torch.randn(1, 4, 5, 5)
    plain = module(features)
    assert torch.equal(module(features, relu=True), plain.relu())
    module.kernel = kernel
    assert module(features) is features and module(features, relu=True) is features
    assert calls == [(True, True, 1e-5, False), (True, True, 1e-5, True)]
    assert set(module.state_dict()) == {"weight", "bias"}


def test_a_kernel_makes_the_border() -> None:
    convolution, features = ReflectConv(2, 3, 5), torch.randn(1, 2, 8, 8)
    plain = convolution(features)
    convolution.kernel = lambda values, width: -reflect(values, width)
    assert torch.equal(convolution.pad(features), -reflect(features, 2))
    assert not torch.equal(convolution(features), plain)
