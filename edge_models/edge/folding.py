"""Folding: weights of the edge form computed from weights of the reference, in float64.

Every function returns a (weight, bias) pair and says the algebra it rests on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor, nn

_FOLLOWED = ContextVar("_FOLLOWED", default=False)


class Affine(NamedTuple):
    """Weight and bias of a convolution or linear, float64."""

    weight: Tensor
    bias: Tensor


@contextmanager
def gradients_followed() -> Iterator[None]:
    """What is folded inside keeps the way by which gradients reach the reference's parameters."""
    token = _FOLLOWED.set(True)
    try:
        yield
    finally:
        _FOLLOWED.reset(token)


def numbers(parameter: Tensor) -> Tensor:
    """The numbers of a reference's parameter, apart from it unless gradients are followed."""
    return parameter if _FOLLOWED.get() else parameter.detach()


def hold(layer: nn.Module, name: str, value: Tensor) -> None:
    """Give a layer constant weights in place of a parameter. What gradients pass through can be no
    parameter: it is a buffer then.
    """
    delattr(layer, name)
    if value.requires_grad:
        layer.register_buffer(name, value)
    else:
        layer.register_parameter(name, nn.Parameter(value, requires_grad=False))


def affine_of(layer: nn.Module) -> Affine:
    """A convolution's or linear's own weight and bias; a missing bias is zero."""
    if not isinstance(layer, nn.Conv2d | nn.Linear):
        raise TypeError(f"{type(layer).__name__} is neither a convolution nor a linear")
    weight = numbers(layer.weight).double()
    bias = weight.new_zeros(len(weight)) if layer.bias is None else numbers(layer.bias).double()
    return Affine(weight, bias)


def fold_batch_norm(convolution: nn.Module, norm: nn.Module) -> Affine:
    """before: BN(W x + b) = s (W x + b - mean) + beta, with s = gamma / sqrt(var + eps)
    after:  (s W) x + (s (b - mean) + beta)
    """
    if not isinstance(norm, nn.BatchNorm2d):
        raise TypeError(f"{type(norm).__name__} is not a batch norm")
    scale, shift = norm_scale_and_shift(norm)
    weight, bias = scaled_rows(affine_of(convolution), scale)
    return Affine(weight, bias + shift)


def norm_scale_and_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """before: BN(x); after: scale * x + shift, one of each a channel."""
    if norm.running_mean is None or norm.running_var is None:
        raise ValueError("a batch norm without running statistics cannot be folded")
    statistics = norm.running_mean, norm.running_var
    return batch_norm_scale_and_shift(norm.weight, norm.bias, *statistics, norm.eps)


def batch_norm_scale_and_shift(
    gamma: Tensor | None, beta: Tensor | None, mean: Tensor, variance: Tensor, eps: float
) -> tuple[Tensor, Tensor]:
    """before: gamma * (x - mean) / sqrt(variance + eps) + beta; after: scale * x + shift, (C,)
    each; no gamma is 1, no beta is 0.
    """
    scale = torch.rsqrt(variance.detach().double() + eps)
    if gamma is not None:
        scale = scale * numbers(gamma).double()
    shift = -scale * mean.detach().double()
    return scale, shift if beta is None else shift + numbers(beta).double()


def scaled_rows(layer: Affine, factors: Tensor) -> Affine:
    """before: factor_c * (W x + b)_c; after: each row of W and b times its factor."""
    rows = factors.view(-1, *[1] * (layer.weight.dim() - 1))
    return Affine(layer.weight * rows, layer.bias * factors)


def dense(layer: Affine, groups: int) -> Affine:
    """before: a convolution of ``groups`` groups; after: one group, zeros between the groups."""
    blocks = layer.weight.chunk(groups)
    out_channels, in_channels = blocks[0].shape[:2]
    shape = (groups, out_channels, groups, in_channels, *layer.weight.shape[2:])
    weight = layer.weight.new_zeros(shape)
    for group, block in enumerate(blocks):
        weight[group, :, group] = block
    return Affine(weight.flatten(0, 1).flatten(1, 2), layer.bias)


def fold_mean_of_maps(convolution: nn.Module, maps: int) -> Affine:
    """before: mean over m of (W_{c,m} x + b_{c,m}), channel c * maps + m of a convolution
    after:  (mean over m of W_{c,m}) x + mean over m of b_{c,m}: ``maps`` times smaller
    """
    weight, bias = affine_of(convolution)
    return Affine(
        weight.unflatten(0, (-1, maps)).mean(dim=1), bias.unflatten(0, (-1, maps)).mean(dim=1)
    )


def fold_norm_affine(norm: nn.LayerNorm, linear: Affine) -> Affine:
    """before: W (gamma * n + beta) + b, n the normalized tokens
    after:  (W diag(gamma)) n + (W beta + b)
    """
    gamma, beta = numbers(norm.weight).double(), numbers(norm.bias).double()
    return Affine(linear.weight * gamma, linear.bias + linear.weight @ beta)


def center_outputs(linear: Affine) -> Affine:
    """before: y - mean over channels of y, with y = W x + b
    after:  (W - mean over rows of W) x + (b - mean of b): already centred
    """
    return Affine(linear.weight - linear.weight.mean(dim=0), linear.bias - linear.bias.mean())


def joined(one: Affine, other: Affine) -> Affine:
    """before: (W y + b) + (V x + c), convolutions of 1x1 over maps of one size
    after:  (W V) cat(y, x) + (b + c): one product instead of two and a sum
    """
    return Affine(torch.cat([one.weight, other.weight], dim=1), one.bias + other.bias)


def scaled(layer: Affine, factor: float) -> Affine:
    """before: factor * (W x + b); after: (factor W) x + factor b."""
    return Affine(layer.weight * factor, layer.bias * factor)


def as_linear(pointwise: Affine) -> Affine:
    """A 1x1 convolution on a map is a linear on its pixels."""
    return Affine(pointwise.weight.flatten(1), pointwise.bias)


def convolution_from(affine: Affine, like: nn.Module | None = None) -> nn.Conv2d:
    """A convolution with these weights and the stride, padding and groups of ``like``."""
    out_channels, in_channels, height, width = affine.weight.shape
    geometry = {}
    if isinstance(like, nn.Conv2d):
        geometry = {"stride": like.stride, "padding": like.padding, "groups": like.groups}
        in_channels *= like.groups
    layer = nn.Conv2d(in_channels, out_channels, (height, width), **geometry)  # type: ignore[arg-type]
    _set(layer, affine)
    return layer


def linear_from(affine: Affine) -> nn.Linear:
    """A linear layer with these weights."""
    layer = nn.Linear(affine.weight.shape[1], affine.weight.shape[0])
    _set(layer, affine)
    return layer


def pointwise_from(affine: Affine) -> nn.Conv2d:
    """A linear as a 1x1 convolution: the same product for every position of (B, C, H, W)."""
    return convolution_from(Affine(affine.weight[:, :, None, None], affine.bias))


def _set(layer: nn.Conv2d | nn.Linear, affine: Affine) -> None:
    hold(layer, "weight", affine.weight.float())
    hold(layer, "bias", affine.bias.float())
