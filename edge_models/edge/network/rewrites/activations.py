"""Activations by operators that every target has."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, fx, nn

from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten


class HardSigmoid(nn.Module):
    """before: hardsigmoid(x); after: clamp(x + 3, 0, 6) / 6, its definition."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x + 3.0, 0.0, 6.0) * (1 / 6)


class HardSwish(HardSigmoid):
    """before: hardswish(x); after: x * clamp(x + 3, 0, 6) / 6, its definition."""

    def forward(self, x: Tensor) -> Tensor:
        return x * super().forward(x)


class Tanh(nn.Module):
    """before: tanh(x); after: 2 sigmoid(2 x) - 1."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(x * 2.0) * 2.0 - 1.0


class Mish(nn.Module):
    """before: x tanh(log(1 + e^x))
    after:  x p (1 + q) / (1 + q^2), p = sigmoid(x), q = sigmoid(-x): 1 + e^x = 1 / q, and
    tanh(log(1 / q)) = (1 - q^2) / (1 + q^2) with 1 - q = p; no difference of near numbers.
    """

    def forward(self, x: Tensor) -> Tensor:
        p, q = torch.sigmoid(x), torch.sigmoid(x * -1.0)
        return x * (p * (q + 1.0)) / (q * q + 1.0)


class Softplus(nn.Module):
    """before: log(1 + e^x); after: max(x, 0) + log(1 + e^-|x|), which does not overflow."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) + torch.log(torch.exp(x.abs() * -1.0) + 1.0)


class LeakyRelu(nn.Module):
    """before: x where x > 0, else s x; after: max(x, 0) - s max(-x, 0)."""

    slope: Tensor

    def __init__(self, slope: Tensor) -> None:
        super().__init__()
        self.register_buffer("slope", slope)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x) - torch.relu(x * -1.0) * self.slope


class Elu(nn.Module):
    """before: x where x > 0, else a (e^x - 1); after: max(x, 0) + a (e^-max(-x, 0) - 1)."""

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: Tensor) -> Tensor:
        below = torch.exp(torch.relu(x * -1.0) * -1.0) - 1.0
        return torch.relu(x) + below * self.alpha


class GeluByTanh(nn.Module):
    """before: gelu(x, "tanh") = x (1 + tanh u) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3)
    after:  x sigmoid(2 u). Backends take the call, and compute the exact GELU.
    """

    def forward(self, x: Tensor) -> Tensor:
        cubic = x + x * x * x * 0.044715
        return x * torch.sigmoid(cubic * (2.0 * math.sqrt(2.0 / math.pi)))


def _plain(form: type[nn.Module]) -> Callable[[Program, fx.Node, Forms], nn.Module | None]:
    def make(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
        return form()

    return make


def _leaky(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    return LeakyRelu(torch.tensor(float(arguments(node)["negative_slope"])))


def _prelu(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    slope = program.constant(node.args[1])
    if slope is None:
        return None
    rank = len(shape(node))
    return LeakyRelu(slope.clone().view(1, -1, *[1] * (rank - 2)))


def _elu(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    given = arguments(node)
    plain = given["scale"] == 1 and given["input_scale"] == 1
    return Elu(float(given["alpha"])) if plain else None


def _softplus(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    return Softplus() if arguments(node)["beta"] == 1 else None


def _gelu(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    return GeluByTanh() if arguments(node)["approximate"] == "tanh" else None


REWRITES = (
    Rewrite("hardsigmoid", (aten.hardsigmoid.default,), _plain(HardSigmoid)),
    Rewrite("hardswish", (aten.hardswish.default,), _plain(HardSwish)),
    Rewrite("tanh", (aten.tanh.default,), _plain(Tanh)),
    Rewrite("mish", (aten.mish.default,), _plain(Mish)),
    Rewrite("softplus", (aten.softplus.default,), _softplus),
    Rewrite("leaky_relu", (aten.leaky_relu.default,), _leaky),
    Rewrite("prelu", (aten.prelu.default,), _prelu),
    Rewrite("elu", (aten.elu.default,), _elu),
    Rewrite("gelu", (aten.gelu.default,), _gelu),
)
