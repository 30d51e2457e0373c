"""Softmax, norms and means."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from export_targets.interpret.refusal import RefusedError


def softmax(x: Tensor, dim: int, half_to_float: bool) -> Tensor:
    if half_to_float:
        raise RefusedError("changes the type, which this interpreter does not know")
    return torch.softmax(x, dim)


def native_layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalized tokens, their mean and the reciprocal of their standard deviation."""
    if tuple(shape) != (x.shape[-1],):
        raise RefusedError("is over more than the last axis, which the runtime does not know")
    if weight is None:
        raise RefusedError("has no weight: the runtime aborts when it loads such a norm")
    if bias is None:
        raise RefusedError("has no bias: the runtime aborts when it loads such a norm")
    mean = x.mean(-1, keepdim=True)
    centered = x - mean
    reciprocal = torch.rsqrt((centered * centered).mean(-1, keepdim=True) + eps)
    return centered * reciprocal * weight + bias, mean, reciprocal


def mean(x: Tensor, dims: Sequence[int], keepdim: bool, _: None) -> Tensor:
    if not keepdim:
        raise RefusedError("drops its axes, which the runtime does not know")
    return x.mean(list(dims), keepdim=True)


def amax(x: Tensor, dims: Sequence[int], keepdim: bool) -> Tensor:
    if not keepdim:
        raise RefusedError("drops its axes, which the runtime does not know")
    return torch.amax(x, list(dims), keepdim=True)


OPERATORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "aten._softmax.default": softmax,
    "aten.native_layer_norm.default": native_layer_norm,
    "aten.mean.dim": mean,
    "aten.amax.default": amax,
}
