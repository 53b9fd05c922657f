"""What this processor computes well, as PyTorch tells it."""

from __future__ import annotations

import platform
from collections.abc import Mapping

import torch


def capabilities() -> Mapping[str, object]:
    """Instruction sets by name; empty where PyTorch has no such function yet."""
    able: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return able


def has_bfloat16() -> bool:
    """Whether it has instructions for bfloat16: without them that takes five times as long as float32."""
    able = capabilities()
    return bool(able.get("amx_bf16") or able.get("avx512_bf16"))


def saturates() -> bool:
    """Whether it adds two 8-bit products in 16 bits: x86 before VNNI.

    Two of 255 · 127 do not fit there, and pictures came out at 17 dB; two of 255 · 64 do.
    """
    if platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    # A PyTorch that cannot tell all knows one of the three.
    able = capabilities() or {"avx512_vnni": torch.cpu._is_vnni_supported()}
    return not any(able.get(name) for name in ("avx512_vnni", "avx_vnni", "amx_int8"))
