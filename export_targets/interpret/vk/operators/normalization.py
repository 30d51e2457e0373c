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


def mean(x: Tensor, dims: Sequence[int], keepdim: bool, _: None) -> Tensor:
    return x.mean(list(dims), keepdim=keepdim)


def amax(x: Tensor, dims: Sequence[int], keepdim: bool) -> Tensor:
    return torch.amax(x, list(dims), keepdim=keepdim)


OPERATORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "aten._softmax.default": softmax,
    "aten.native_layer_norm.default": native_layer_norm,
    "aten.mean.dim": mean,
    "aten.amax.default": amax,
}
