"""Convolutions and matrix products."""

import torch
from torch import Tensor
from torch.nn import functional as F

from export_targets.interpret.mil.types import flag, integer, integers
from export_targets.interpret.mil.windows import flat, paddings
from export_targets.interpret.refusal import RefusedError


def conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    strides: Tensor | None = None,
    pad_type: str = "valid",
    pad: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """x (N, C, *spatial), weight (out, C / groups, *kernel)."""
    axes = weight.dim() - 2
    step = integers(strides, [1] * axes)
    spread = integers(dilations, [1] * axes)
    extents = [d * (k - 1) + 1 for d, k in zip(spread, weight.shape[2:], strict=True)]
    pads = paddings(pad_type, pad, list(x.shape[2:]), extents, step)
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[axes]
    return convolve(F.pad(x, flat(pads)), weight, bias, step, 0, spread, _groups(groups))


def conv_transpose(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    pad: Tensor | None = None,
    output_shape: Tensor | None = None,
    pad_type: str = "valid",
    strides: Tensor | None = None,
    dilations: Tensor | None = None,
    groups: Tensor | None = None,
) -> Tensor:
    """x (N, C, *spatial), weight (C, out / groups, *kernel). The padding is cut from the result."""
    if pad_type not in ("valid", "custom"):
        raise RefusedError(f"the pad_type {pad_type!r} of conv_transpose is not known")
    axes = weight.dim() - 2
    step = integers(strides, [1] * axes)
    spread = integers(dilations, [1] * axes)
    transpose = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}[axes]
    whole = transpose(x, weight, None, step, 0, 0, _groups(groups), spread)
    cut = paddings(pad_type, pad, list(x.shape[2:]), [1] * axes, step)
    sizes = [n - before - after for n, (before, after) in zip(whole.shape[2:], cut, strict=True)]
    if output_shape is not None:
        sizes = integers(output_shape)[-axes:]
    for axis, (size, (before, _)) in enumerate(zip(sizes, cut, strict=True), start=2):
        missing = before + size - whole.shape[axis]
        if missing > 0:
            whole = F.pad(whole, [0, 0] * (whole.dim() - 1 - axis) + [0, missing])
        whole = whole.narrow(axis, before, size)
    return whole if bias is None else whole + bias.view(-1, *[1] * axes)


def _groups(groups: Tensor | None) -> int:
    return 1 if groups is None else integer(groups)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x (..., C), weight (out, C)."""
    return F.linear(x, weight, bias)


def matmul(
    x: Tensor, y: Tensor, transpose_x: Tensor | None = None, transpose_y: Tensor | None = None
) -> Tensor:
    x = x.transpose(-1, -2) if flag(transpose_x) else x
    y = y.transpose(-1, -2) if flag(transpose_y) else y
    return torch.matmul(x, y)


def einsum(values: list[Tensor], equation: str) -> Tensor:
    return torch.einsum(equation, *values)


def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    """softmax(query key^T / sqrt(dim) + mask) value, on the last two axes."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, float("-inf"))
        else:
            scores = scores + attn_mask
    return torch.softmax(scores, dim=-1) @ value
