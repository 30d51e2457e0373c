"""Batch norms into the convolutions and linears before them."""

import torch
from torch import fx

from edge_models.edge.folding import Affine, batch_norm_scale_and_shift, scaled_rows
from edge_models.edge.network.program import Program

aten = torch.ops.aten
CONVOLUTIONS = (aten.conv2d.default, aten.conv1d.default)


def fold_batch_norms(program: Program) -> None:
    """before: BN(W x + b), the product read by the norm alone
    after:  (s W) x + (s b + t), with BN(y) = s y + t
    """
    for norm in program.nodes(aten.batch_norm.default):
        product = norm.args[0]
        statistics = _scale_and_shift(program, norm)
        if not isinstance(product, fx.Node) or len(product.users) > 1 or statistics is None:
            continue
        rows = product.target == aten.linear.default and product.meta["val"].dim() == 2
        if not rows and product.target not in CONVOLUTIONS:
            continue
        weight = program.constant(product.args[1])
        given = product.args[2] if len(product.args) > 2 else None
        bias = program.constant(given)
        if weight is None or (given is not None and bias is None):
            continue
        bias = weight.new_zeros(len(weight)) if bias is None else bias
        folded = scaled_rows(Affine(weight.double(), bias.double()), statistics[0])
        new_weight = program.new_constant(folded.weight, product)
        new_bias = program.new_constant(folded.bias + statistics[1], product)
        product.args = (product.args[0], new_weight, new_bias, *product.args[3:])
        program.replace(norm, product)


def _scale_and_shift(program: Program, norm: fx.Node) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Of a norm with constant statistics; None of one that takes them from its input."""
    _, gamma, beta, mean, variance, training, _, eps, _ = norm.args
    mean_value, variance_value = program.constant(mean), program.constant(variance)
    if training or mean_value is None or variance_value is None:
        return None
    assert isinstance(eps, float)
    affine = program.constant(gamma), program.constant(beta)
    return batch_norm_scale_and_shift(*affine, mean_value, variance_value, eps)
