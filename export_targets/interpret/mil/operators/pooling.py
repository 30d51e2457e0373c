"""Pools over windows of (N, C, *spatial)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from export_targets.interpret.mil.types import flag, integers
from export_targets.interpret.mil.windows import flat, paddings


def max_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    ceil_mode: Tensor | None = None,
) -> Tensor:
    return _windows(x, float("-inf"), kernel_sizes, strides, pad_type, pad, flag(ceil_mode)).amax(
        -1
    )


def avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    pad_type: str,
    strides: Tensor | None = None,
    pad: Tensor | None = None,
    exclude_padding_from_average: Tensor | None = None,
    ceil_mode: Tensor | None = None,
) -> Tensor:
    """Zeros that the padding adds count unless excluded; those beyond it, for ceil, never do."""
    arguments = (kernel_sizes, strides, pad_type, pad, flag(ceil_mode))
    counted = 0.0 if flag(exclude_padding_from_average) else 1.0
    count = _windows(torch.ones_like(x[:1, :1]), counted, *arguments).sum(-1)
    return _windows(x, 0.0, *arguments).sum(-1) / count


def _windows(
    x: Tensor,
    outside: float,
    kernel_sizes: Tensor,
    strides: Tensor | None,
    pad_type: str,
    pad: Tensor | None,
    ceil_mode: bool,
) -> Tensor:
    """(N, C, *output, positions of a window). The padding holds ``outside``.

    With ``ceil_mode`` a last window may reach beyond the padding, where -inf or zero stands.
    """
    kernel = integers(kernel_sizes)
    step = integers(strides, [1] * len(kernel))
    pads = paddings(pad_type, pad, list(x.shape[2:]), kernel, step)
    x = F.pad(x, flat(pads), value=outside)
    beyond = []
    for size, extent, stride, (before, after) in zip(x.shape[2:], kernel, step, pads, strict=True):
        count = math.ceil((size - extent) / stride) + 1
        # a window must start inside the map or the padding before it
        if before + after > 0 and (count - 1) * stride >= size - after:
            count -= 1
        beyond.append((0, max(0, (count - 1) * stride + extent - size) if ceil_mode else 0))
    x = F.pad(x, flat(beyond), value=min(outside, 0.0))
    for axis, (extent, stride) in enumerate(zip(kernel, step, strict=True), start=2):
        x = x.unfold(axis, extent, stride)
    return x.flatten(2 + len(kernel))
