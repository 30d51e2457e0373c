"""Reductions over axes; without axes over all of them."""

import torch
from torch import Tensor

from export_targets.interpret.mil.types import flag, in_memory, integer, integers, named_dtype


def _axes(x: Tensor, axes: Tensor | None) -> list[int]:
    return integers(axes, list(range(x.dim())))


def reduce_mean(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None) -> Tensor:
    return x.mean(_axes(x, axes), keepdim=flag(keep_dims))


def reduce_sum(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None) -> Tensor:
    return x.sum(_axes(x, axes), keepdim=flag(keep_dims))


def reduce_max(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None) -> Tensor:
    return x.amax(_axes(x, axes), keepdim=flag(keep_dims))


def reduce_min(x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None) -> Tensor:
    return x.amin(_axes(x, axes), keepdim=flag(keep_dims))


def reduce_l2_norm(
    x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None
) -> Tensor:
    return x.square().sum(_axes(x, axes), keepdim=flag(keep_dims)).sqrt()


def reduce_sum_square(
    x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None
) -> Tensor:
    return x.square().sum(_axes(x, axes), keepdim=flag(keep_dims))


def reduce_log_sum_exp(
    x: Tensor, axes: Tensor | None = None, keep_dims: Tensor | None = None
) -> Tensor:
    return torch.logsumexp(x, _axes(x, axes), keepdim=flag(keep_dims))


def reduce_argmax(
    x: Tensor,
    axis: Tensor,
    keep_dims: Tensor | None = None,
    output_dtype: str = "int32",
) -> Tensor:
    found = x.argmax(integer(axis), keepdim=flag(keep_dims))
    return found.to(in_memory(named_dtype(output_dtype)))
