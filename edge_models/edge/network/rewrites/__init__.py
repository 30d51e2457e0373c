"""Exact rewrites of a network's graph for what targets do not take as it is: one family a file,
each rewrite with the form that takes an operator's place and its algebra.
"""

import operator
from functools import cache

from torch import fx

from edge_models.edge.forms import Forms
from edge_models.edge.network import rewrites
from edge_models.edge.network.program import Program
from edge_models.edge.network.rewrites.batch_norm import fold_batch_norms
from edge_models.edge.network.rewrites.operands import rewrite_operands
from edge_models.edge.network.rewrites.pools import write_strides
from edge_models.edge.network.rewrites.rewrite import Rewrite
from edge_models.registry import collect


@cache
def all_rewrites() -> dict[str, Rewrite]:
    """Every rewrite by its name, as targets name them in ``Forms.rewritten``."""
    return collect(rewrites, "REWRITES")


def rewrite(program: Program, forms: Forms) -> None:
    """Fold batch norms and write out what calls leave out, then put forms in the places of the
    operators that ``forms`` wants rewritten.
    """
    fold_batch_norms(program)
    rewrite_operands(program)
    write_strides(program)
    wanted = [all_rewrites()[name] for name in sorted(forms.rewritten)]
    by_operator = {target: entry for entry in wanted for target in entry.operators}
    for node in list(program.graph.nodes):
        source = _source(node)
        entry = by_operator.get(source.target)
        if entry is None or (entry.of_results and source is node):
            continue
        form = entry.form(program, node, forms)
        if form is not None:
            inputs = tuple(source.args[:1]) + tuple(entry.more_inputs(source))
            assert all(isinstance(item, fx.Node) for item in inputs)
            program.put(node, form, inputs)  # type: ignore[arg-type]
            program.fired[entry.name] += 1
    program.graph.eliminate_dead_code()


def _source(node: fx.Node) -> fx.Node:
    """The call that a node is a result of; other nodes themselves."""
    if node.target is operator.getitem and isinstance(node.args[0], fx.Node):
        return node.args[0]
    return node
