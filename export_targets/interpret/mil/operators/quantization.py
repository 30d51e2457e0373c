"""Between real numbers and 8-bit integers, at run time."""

import torch
from torch import Tensor

from export_targets.interpret.mil.broadcast import along
from export_targets.interpret.mil.types import in_memory, named_dtype
from export_targets.interpret.refusal import RefusedError

LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}


def quantize(
    input: Tensor,
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: Tensor | None = None,
) -> Tensor:
    """clip(round(input / scale) + zero_point); halves to the even neighbour."""
    if output_dtype not in LIMITS:
        raise RefusedError(f"the data type {output_dtype!r} of quantize is not known")
    low, high = LIMITS[output_dtype]
    steps = torch.round(input / along(scale, input, axis))
    if zero_point is not None:
        steps = steps + along(zero_point, input, axis)
    return steps.clamp(low, high).to(in_memory(named_dtype(output_dtype)))


def dequantize(
    input: Tensor, scale: Tensor, zero_point: Tensor | None = None, axis: Tensor | None = None
) -> Tensor:
    """scale * (input - zero_point)"""
    steps = input.float()
    if zero_point is not None:
        steps = steps - along(zero_point, input, axis).float()
    return steps * along(scale, input, axis)
