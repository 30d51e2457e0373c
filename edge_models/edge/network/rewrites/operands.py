"""Operands of sums and products as every backend reads them."""

import math

import torch
from torch import fx

from edge_models.edge.network.program import Program, shape

aten = torch.ops.aten
COMMUTATIVE = (aten.add.Tensor, aten.mul.Tensor)
BINARY = (aten.add.Tensor, aten.sub.Tensor, aten.mul.Tensor, aten.div.Tensor)


def rewrite_operands(program: Program) -> None:
    """before: x + 1, x * c of a whole number, or of a constant with fewer axes than x
    after:  x + 1.0, x * c', c' = c with ones for the axes that are missing: the same numbers. A
    whole number becomes a constant of its own type, which backends convert outside their delegate.

    before: c * x, c spread over x; after: x * c: Vulkan spreads the second operand.
    """
    for node in program.nodes(*BINARY):
        val = node.meta["val"]
        if not val.is_floating_point():
            continue
        node.args = tuple(float(a) if type(a) is int else a for a in node.args)
        for operand in list(node.args):
            value = program.constant(operand)
            if value is None or not 0 < value.dim() < val.dim():
                continue
            whole = value.view(*[1] * (val.dim() - value.dim()), *shape(operand))
            assert isinstance(operand, fx.Node)
            node.replace_input_with(operand, program.new_constant(whole, node))
            program.fired["operands"] += 1
        first, second = node.args[0], node.args[1]
        both = isinstance(first, fx.Node) and isinstance(second, fx.Node) and not node.kwargs
        smaller = both and math.prod(shape(first)) < math.prod(shape(second))
        if smaller and node.target in COMMUTATIVE:
            node.args = (second, first)
            program.fired["operands"] += 1
