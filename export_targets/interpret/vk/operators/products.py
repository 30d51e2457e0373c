"""Matrix products and convolutions of floats."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from export_targets.interpret.vk.operators.arithmetic import clamp

Pair = Sequence[int]


def convolution(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    transposed: bool,
    output_padding: Pair,
    groups: int,
) -> Tensor:
    return F.conv2d(x, weight, bias, list(stride), list(padding), list(dilation), groups=groups)


def conv_with_clamp(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    transposed: bool,
    output_padding: Pair,
    groups: int,
    smallest: float | None,
    largest: float | None,
) -> Tensor:
    """A convolution whose result is clamped: ReLU where the smallest is 0."""
    result = convolution(
        x, weight, bias, stride, padding, dilation, transposed, output_padding, groups
    )
    return clamp(result, smallest, largest)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(x, weight, bias)


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "aten.convolution.default": convolution,
    "et_vk.conv_with_clamp.default": conv_with_clamp,
    "aten.linear.default": linear,
    "aten.bmm.default": torch.bmm,
}
