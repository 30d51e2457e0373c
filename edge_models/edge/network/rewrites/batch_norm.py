"""Batch norms: into the convolutions and linears before them, or a product and a sum."""

import operator

import torch
from torch import Tensor, fx, nn

from edge_models.edge.folding import Affine, batch_norm_scale_and_shift, scaled_rows
from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program, arguments, shape
from edge_models.edge.network.rewrites.rewrite import Rewrite

aten = torch.ops.aten
CONVOLUTIONS = (aten.conv2d.default, aten.conv1d.default)
NORM = aten._native_batch_norm_legit_no_training.default


class ScaledMap(nn.Module):
    """before: BN(x); after: s x + t, one s and t a channel of (B, C, ...)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor, rank: int) -> None:
        super().__init__()
        channels = (1, -1, *[1] * (rank - 2))
        self.register_buffer("scale", scale.float().view(channels))
        self.register_buffer("shift", shift.float().view(channels))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


def fold_batch_norms(program: Program) -> None:
    """before: BN(W x + b), the product read by the norm alone
    after:  (s W) x + (s b + t), with BN(y) = s y + t
    """
    for norm in program.nodes(NORM):
        product, statistics = norm.args[0], _scale_and_shift(program, norm)
        results = list(norm.users)
        if not isinstance(product, fx.Node) or len(product.users) > 1 or statistics is None:
            continue
        rows = product.target == aten.linear.default and len(shape(product)) == 2
        if len(results) != 1 or (not rows and product.target not in CONVOLUTIONS):
            continue
        plain = program.affine(product)
        if plain is None:
            continue
        folded = scaled_rows(Affine(plain.weight.double(), plain.bias.double()), statistics[0])
        new_weight = program.new_constant(folded.weight, product)
        new_bias = program.new_constant(folded.bias + statistics[1], product)
        product.args = (product.args[0], new_weight, new_bias, *product.args[3:])
        program.replace(results[0], product)
        program.graph.erase_node(norm)
        program.fired["fold_batch_norm"] += 1


def _scale_and_shift(program: Program, norm: fx.Node) -> tuple[Tensor, Tensor] | None:
    """None where they are no constants."""
    given = arguments(norm)
    mean, variance = program.constant(given["running_mean"]), program.constant(given["running_var"])
    if mean is None or variance is None:
        return None
    affine = program.constant(given["weight"]), program.constant(given["bias"])
    return batch_norm_scale_and_shift(*affine, mean, variance, given["eps"])


def _scaled(program: Program, node: fx.Node, _: Forms) -> nn.Module | None:
    norm = node.args[0]
    assert isinstance(norm, fx.Node)
    statistics = _scale_and_shift(program, norm)
    if statistics is None or node.target is not operator.getitem or node.args[1] != 0:
        return None
    return ScaledMap(*statistics, len(shape(node)))


REWRITES = (Rewrite("batch_norm", (NORM,), _scaled, of_results=True),)
