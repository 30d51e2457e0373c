"""The history of a graph's nodes, which lowering does without."""

import torch
from torch.fx.passes.infra.pass_base import PassResult


def drop_provenance(graph_module: torch.fx.GraphModule) -> PassResult:
    """Forget from which earlier nodes each node came.

    Every later pass deep-copies that history and adds to it. The debug handles, which are all that
    the runtime's profiler needs of it, are assigned before.
    """
    for node in graph_module.graph.nodes:
        node.meta.pop("from_node", None)
    return PassResult(graph_module, True)
