"""Layer, group and instance norms in a target's form."""

import torch
from torch import Tensor, fx, nn

from edge_models.edge.forms import Forms
from edge_models.edge.forms.layer_norm import LayerNormNative
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten


class LayerNormOfRows(nn.Module):
    """Layer norm over the last axes, by the form of one over the last axis alone.

    before: gamma * n(x) + beta; after: the same, n the form, gamma and beta in it where it has a
    place for them
    """

    gamma: Tensor
    beta: Tensor

    def __init__(self, gamma: Tensor, beta: Tensor, eps: float, axes: int, forms: Forms) -> None:
        super().__init__()
        self.axes = axes
        self.norm = forms.layer_norm(gamma.numel(), eps)
        if self.norm.has_affine:
            self.norm.weight, self.norm.bias = gamma.flatten().clone(), beta.flatten().clone()
        self.register_buffer("gamma", gamma.flatten().clone())
        self.register_buffer("beta", beta.flatten().clone())

    def forward(self, x: Tensor) -> Tensor:
        rows = x.flatten(-self.axes) if self.axes > 1 else x
        normalized: Tensor = self.norm(rows)
        if not self.norm.has_affine:
            whole = (*[1] * (rows.dim() - 1), -1)
            normalized = normalized * self.gamma.view(whole) + self.beta.view(whole)
        return normalized.reshape(x.shape) if self.axes > 1 else normalized


def _layer_norm(program: Program, node: fx.Node, forms: Forms) -> nn.Module | None:
    given = arguments(node)
    sizes = torch.Size(given["normalized_shape"])
    gamma, beta = program.constant(given["weight"]), program.constant(given["bias"])
    native = forms.layer_norm is LayerNormNative
    if native and gamma is not None and beta is not None and len(sizes) == 1:
        return None  # the operator itself, as the form has it
    gamma = torch.ones(sizes) if gamma is None else gamma
    beta = torch.zeros(sizes) if beta is None else beta
    return LayerNormOfRows(gamma, beta, given["eps"], len(sizes), forms)


def _group_norm(program: Program, node: fx.Node, forms: Forms) -> nn.Module | None:
    given, size = arguments(node), shape(node)
    if len(size) != 4:
        return None
    gamma, beta = program.constant(given["weight"]), program.constant(given["bias"])
    return forms.group_norm(size[1], given["num_groups"], given["eps"], gamma, beta)


def _instance_norm(program: Program, node: fx.Node, forms: Forms) -> nn.Module | None:
    """A group norm of one channel a group, where it uses its input's own statistics."""
    given, size = arguments(node), shape(node)
    if len(size) != 4 or not given["use_input_stats"]:
        return None
    gamma, beta = program.constant(given["weight"]), program.constant(given["bias"])
    return forms.group_norm(size[1], size[1], given["eps"], gamma, beta)


REWRITES = (
    Rewrite("layer_norm", (aten.layer_norm.default,), _layer_norm),
    Rewrite("group_norm", (aten.group_norm.default,), _group_norm),
    Rewrite("instance_norm", (aten.instance_norm.default,), _instance_norm),
)
