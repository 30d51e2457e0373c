"""Exact rewrites of a network's graph for what targets do not take as it is, one a file."""

from edge_models.edge.forms import Forms
from edge_models.edge.network.program import Program
from edge_models.edge.network.rewrites.batch_norm import fold_batch_norms


def rewrite(program: Program, forms: Forms) -> None:
    """All rewrites, in their order."""
    fold_batch_norms(program)
