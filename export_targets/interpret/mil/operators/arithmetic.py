"""Arithmetic of two tensors, broadcast against each other."""

import torch
from torch import Tensor


def add(x: Tensor, y: Tensor) -> Tensor:
    return x + y


def sub(x: Tensor, y: Tensor) -> Tensor:
    return x - y


def mul(x: Tensor, y: Tensor) -> Tensor:
    return x * y


def real_div(x: Tensor, y: Tensor) -> Tensor:
    """Of integers too: the quotient is then truncated, as integers divide in the format."""
    if x.is_floating_point():
        return x / y
    return torch.div(x, y, rounding_mode="trunc")


def floor_div(x: Tensor, y: Tensor) -> Tensor:
    return torch.div(x, y, rounding_mode="floor")


def mod(x: Tensor, y: Tensor) -> Tensor:
    return torch.remainder(x, y)


def maximum(x: Tensor, y: Tensor) -> Tensor:
    return torch.maximum(x, y)


def minimum(x: Tensor, y: Tensor) -> Tensor:
    return torch.minimum(x, y)


def pow(x: Tensor, y: Tensor) -> Tensor:
    return torch.pow(x, y)
