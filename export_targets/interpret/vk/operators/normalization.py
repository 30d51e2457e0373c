"""Softmax, norms and means."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    return torch.softmax(x, dim)


def native_layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Over the last axis: the normalized, their mean, 1 over their standard deviation."""
    mean = x.mean(-1, keepdim=True)
    centered = x - mean
    reciprocal = torch.rsqrt((centered * centered).mean(-1, keepdim=True) + eps)
    return centered * reciprocal * weight + bias, mean, reciprocal


def native_group_norm(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    _batch: int,
    channels: int,
    _positions: int,
    groups: int,
    eps: float,
    stored: Callable[[Tensor], Tensor],
) -> tuple[Tensor, Tensor, Tensor]:
    """Over (B, C, H, W), the variance as the mean square less the squared mean: the normalized, and
    the mean and 1 over the standard deviation of each group, (B, groups). A second dispatch reads
    these two as they are ``stored``.
    """
    of_groups = x.reshape(x.shape[0], groups, -1)
    mean = of_groups.mean(-1)
    variance = (of_groups * of_groups).mean(-1) - mean * mean
    mean, reciprocal = stored(mean), stored(1 / torch.sqrt(variance + eps))
    centered = of_groups - mean.unsqueeze(-1)
    normalized = (centered * reciprocal.unsqueeze(-1)).view(x.shape)
    of_channels = (1, channels, 1, 1)
    return normalized * weight.view(of_channels) + bias.view(of_channels), mean, reciprocal


def mean(x: Tensor, dims: Sequence[int], keepdim: bool, _: None) -> Tensor:
    return x.mean(list(dims), keepdim=keepdim)


def amax(x: Tensor, dims: Sequence[int], keepdim: bool) -> Tensor:
    return torch.amax(x, list(dims), keepdim=keepdim)


# Operators of two dispatches: they are given, last, how the first one's results are stored.
IN_TWO_DISPATCHES = ("aten.native_group_norm.default",)
OPERATORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "aten._softmax.default": softmax,
    "aten.native_layer_norm.default": native_layer_norm,
    "aten.native_group_norm.default": native_group_norm,
    "aten.mean.dim": mean,
    "aten.amax.default": amax,
}
