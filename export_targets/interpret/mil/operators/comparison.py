"""Comparisons and logic, broadcast; the results are booleans."""

import torch
from torch import Tensor


def equal(x: Tensor, y: Tensor) -> Tensor:
    return x == y


def not_equal(x: Tensor, y: Tensor) -> Tensor:
    return x != y


def greater(x: Tensor, y: Tensor) -> Tensor:
    return x > y


def greater_equal(x: Tensor, y: Tensor) -> Tensor:
    return x >= y


def less(x: Tensor, y: Tensor) -> Tensor:
    return x < y


def less_equal(x: Tensor, y: Tensor) -> Tensor:
    return x <= y


def logical_and(x: Tensor, y: Tensor) -> Tensor:
    return x & y


def logical_or(x: Tensor, y: Tensor) -> Tensor:
    return x | y


def logical_not(x: Tensor) -> Tensor:
    return ~x


def select(cond: Tensor, a: Tensor, b: Tensor) -> Tensor:
    return torch.where(cond, a, b)
