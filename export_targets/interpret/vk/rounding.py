"""How a float16 result is stored: phones' GPUs may round either way."""

from typing import Literal

import torch
from torch import Tensor

# "nearest": halves to even, subnormals kept; "toward zero": as ExecuTorch's runtime was seen to do
# on Mesa's software device; "flushed": nearest, subnormals as zero.
Rounding = Literal["nearest", "toward zero", "flushed"]
SMALLEST_NORMAL = torch.finfo(torch.float16).tiny


def stored_float16(x: Tensor, rounding: Rounding) -> Tensor:
    """Float32 numbers as float16 holds them, in float32."""
    half = x.to(torch.float16)
    if rounding == "toward zero":
        # Signs and magnitudes: the next number toward zero has the next smaller magnitude's bits.
        # Beyond the largest number that is the largest, not infinity.
        away = half.float().abs() > x.abs()
        half = (half.view(torch.int16) - away.to(torch.int16)).view(torch.float16)
    if rounding == "flushed":
        half = torch.where(half.abs() < SMALLEST_NORMAL, torch.zeros_like(half), half)
    return half.float()
