"""Pools and upsampling of maps (B, C, H, W)."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

Pair = Sequence[int]


def avg_pool2d(
    x: Tensor,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor: int | None,
) -> Tensor:
    return F.avg_pool2d(
        x, list(kernel), list(stride), list(padding), ceil_mode, count_include_pad, divisor
    )


def max_pool2d_with_indices(
    x: Tensor, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, ceil_mode: bool
) -> tuple[Tensor, Tensor]:
    """The largest numbers, and their places in the map."""
    largest, places = F.max_pool2d(
        x,
        list(kernel),
        list(stride),
        list(padding),
        list(dilation),
        ceil_mode,
        return_indices=True,
    )
    return largest, places.to(torch.int32)


def upsample_nearest2d(x: Tensor, size: Pair | None, factors: Sequence[float] | None) -> Tensor:
    if factors is not None:
        size = [int(x.shape[2] * factors[0]), int(x.shape[3] * factors[1])]
    return F.interpolate(x, size=list(size or ()), mode="nearest")


OPERATORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "aten.avg_pool2d.default": avg_pool2d,
    "aten.max_pool2d_with_indices.default": max_pool2d_with_indices,
    "aten.upsample_nearest2d.vec": upsample_nearest2d,
}
