"""Normalizations and softmax."""

import torch
from torch import Tensor

from export_targets.interpret.mil.types import integer, integers


def softmax(x: Tensor, axis: Tensor) -> Tensor:
    return torch.softmax(x, integer(axis))


def layer_norm(
    x: Tensor,
    epsilon: Tensor,
    axes: Tensor | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """Over ``axes``; gamma and beta have the sizes of these axes."""
    over = sorted(axis % x.dim() for axis in integers(axes, list(range(x.dim()))))
    shape = [size if axis in over else 1 for axis, size in enumerate(x.shape)]
    centred = x - x.mean(over, keepdim=True)
    result = centred * torch.rsqrt(centred.square().mean(over, keepdim=True) + epsilon)
    return _scaled(result, gamma, beta, shape)


def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    """By each channel's own constants, axis 1."""
    shape = [1, -1, *[1] * (x.dim() - 2)]
    result = (x - mean.view(shape)) * torch.rsqrt(variance.view(shape) + epsilon)
    return _scaled(result, gamma, beta, shape)


def instance_norm(
    x: Tensor, epsilon: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    """Each channel of each sample by its own mean and variance."""
    over = list(range(2, x.dim()))
    centred = x - x.mean(over, keepdim=True)
    result = centred * torch.rsqrt(centred.square().mean(over, keepdim=True) + epsilon)
    return _scaled(result, gamma, beta, [1, -1, *[1] * (x.dim() - 2)])


def _scaled(x: Tensor, gamma: Tensor | None, beta: Tensor | None, shape: list[int]) -> Tensor:
    x = x if gamma is None else x * gamma.reshape(shape)
    return x if beta is None else x + beta.reshape(shape)
