"""Where bfloat16 is worth it."""

from __future__ import annotations

import torch

_FEATURES = ("avx512_bf16", "amx_bf16", "sve_bf16")


def is_fast(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16, rather than converts to float32 and back.

    Without such instructions it takes several times as long as float32. True of all accelerators.
    """
    if device.type != "cpu":
        return True
    known = getattr(torch.cpu, "get_capabilities", None)  # not in older versions of PyTorch
    can = known() if known else {}
    return any(can.get(name) for name in _FEATURES)
