"""The softmax over a map's positions without its maximum, where no exponential can overflow."""

import math
from typing import Any

from torch import fx
from torch.fx.passes.infra.pass_base import PassResult

from edge_models.edge.forms.softmax_mean import SoftmaxByPool
from export_targets.lowering.graph import lies_in, operator_name

# float32 ends at e^88: room for e^40 at each of a map's positions, and as much below 1.
LARGEST = 40.0


def drop_bounded_maximum(graph_module: fx.GraphModule) -> PassResult:
    """Leave out the maximum of a softmax whose integers can stand for no large number. A pass over
    the program that a lowering makes for itself: the quantized graph keeps it.

    before: exp(a - max a) / mean(exp(a - max a))
    after:  exp(a) / mean(exp(a)): the same, with neither a pool nor a difference of maps
    """
    for node in list(graph_module.graph.nodes):
        if operator_name(node) == "sub" and lies_in(node, SoftmaxByPool):
            attention = node.args[0]
            if _largest(attention) <= LARGEST:
                node.replace_all_uses_with(attention)
    graph_module.graph.eliminate_dead_code()
    graph_module.recompile()
    return PassResult(graph_module, True)


def _largest(node: Any) -> float:
    """The largest magnitude that a dequantized number may have; infinite for any other node."""
    if "dequantize_per_tensor" not in str(node.target):
        return math.inf
    _, scale, zero_point, smallest, largest, _ = node.args
    return float(scale * max(largest - zero_point, zero_point - smallest))
