"""Element by element."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

GELU_SCALE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def add(x: Tensor, other: Tensor | float, alpha: float) -> Tensor:
    return x + other * alpha


def sub(x: Tensor, other: Tensor | float, alpha: float) -> Tensor:
    return x - other * alpha


def gelu(x: Tensor, approximate: str) -> Tensor:
    """The runtime has the tanh form alone, also where the file asks for the exact one."""
    return 0.5 * x * (1 + torch.tanh(GELU_SCALE * (x + GELU_CUBE * x * x * x)))


def clamp(x: Tensor, smallest: float | None, largest: float | None) -> Tensor:
    """The file writes a missing bound as float64's largest number, which float32 does not hold."""
    furthest = torch.finfo(torch.float32).max
    low = -furthest if smallest is None else max(float(smallest), -furthest)
    high = furthest if largest is None else min(float(largest), furthest)
    return torch.clamp(x, low, high)


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "aten.add.Tensor": add,
    "aten.sub.Tensor": sub,
    "aten.mul.Tensor": torch.mul,
    "aten.div.Tensor": torch.div,
    "aten.abs.default": torch.abs,
    "aten.exp.default": torch.exp,
    "aten.rsqrt.default": torch.rsqrt,
    "aten.relu.default": torch.relu,
    "aten.sigmoid.default": torch.sigmoid,
    "aten.gelu.default": gelu,
    "aten.clamp.default": clamp,
}
