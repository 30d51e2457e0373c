"""Functions of each number of one tensor."""

import torch
from torch import Tensor
from torch.nn import functional as F

from export_targets.interpret.mil.types import in_memory, named_dtype, number
from export_targets.interpret.refusal import RefusedError


def identity(x: Tensor) -> Tensor:
    return x


def cast(x: Tensor, dtype: str) -> Tensor:
    """To an integer type towards zero."""
    return x.to(in_memory(named_dtype(dtype)))


def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def relu6(x: Tensor) -> Tensor:
    return x.clamp(0.0, 6.0)


def thresholded_relu(x: Tensor, alpha: Tensor) -> Tensor:
    """The number itself from alpha on, zero below."""
    return torch.where(x >= alpha, x, torch.zeros_like(x))


def leaky_relu(x: Tensor, alpha: Tensor) -> Tensor:
    return F.leaky_relu(x, number(alpha))


def prelu(x: Tensor, alpha: Tensor) -> Tensor:
    """``alpha`` has one number a channel, axis 1."""
    return F.prelu(x, alpha)


def elu(x: Tensor, alpha: Tensor) -> Tensor:
    return F.elu(x, number(alpha))


def gelu(x: Tensor, mode: str = "EXACT") -> Tensor:
    if mode == "EXACT":
        return F.gelu(x)
    if mode == "TANH_APPROXIMATION":
        return F.gelu(x, approximate="tanh")
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    raise RefusedError(f"the mode {mode!r} of gelu is not known")


def silu(x: Tensor) -> Tensor:
    return F.silu(x)


def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


def sigmoid_hard(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return (alpha * x + beta).clamp(0.0, 1.0)


def softplus(x: Tensor) -> Tensor:
    return F.softplus(x)


def softsign(x: Tensor) -> Tensor:
    return F.softsign(x)


def tanh(x: Tensor) -> Tensor:
    return torch.tanh(x)


def erf(x: Tensor) -> Tensor:
    return torch.erf(x)


def exp(x: Tensor) -> Tensor:
    return torch.exp(x)


def log(x: Tensor, epsilon: Tensor) -> Tensor:
    return torch.log(x + epsilon)


def sqrt(x: Tensor) -> Tensor:
    return torch.sqrt(x)


def rsqrt(x: Tensor, epsilon: Tensor) -> Tensor:
    return torch.rsqrt(x + epsilon)


def inverse(x: Tensor, epsilon: Tensor) -> Tensor:
    return 1.0 / (x + epsilon)


def square(x: Tensor) -> Tensor:
    return x * x


def abs(x: Tensor) -> Tensor:
    return torch.abs(x)


def sign(x: Tensor) -> Tensor:
    return torch.sign(x)


def floor(x: Tensor) -> Tensor:
    return torch.floor(x)


def ceil(x: Tensor) -> Tensor:
    return torch.ceil(x)


def round(x: Tensor) -> Tensor:
    """Halves to the even neighbour."""
    return torch.round(x)


def sin(x: Tensor) -> Tensor:
    return torch.sin(x)


def cos(x: Tensor) -> Tensor:
    return torch.cos(x)


def clip(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return torch.minimum(torch.maximum(x, alpha), beta)
