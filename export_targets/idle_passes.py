"""Leave out those of ExecuTorch's passes that have nothing to rewrite.

Each pass traces the whole program again, also where it finds nothing; two of them first export and
lower the patterns that they look for. Half of a lowering is such tracing.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import fx
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from export_targets.graph import operator_name

_BATCH_NORMS = {"native_batch_norm", "_native_batch_norm_legit_no_training"}
# The operators of which a pass needs one to change anything, as executorch 1.5.1 has the passes.
NEEDED = {
    "ConvertToLinearPass": {"mm", "addmm", "bmm"},
    "ConvertToSDPAPass": {"where"},  # a masked attention: the pattern holds one
    "ConvertToUpsampleBilinear2d": {"upsample_bilinear2d", "index", "_unsafe_index"},
    "DecomposeBatchNorm": _BATCH_NORMS,
    "DecomposeConcatenate": {"cat"},
    "FuseActivationPass": {"relu", "hardtanh"},
    "FuseBatchNormPass": _BATCH_NORMS,
    "NormalizeTransposePass": {"t"},
    "PReLUReshapePass": {"_prelu_kernel"},
    "RemoveGetItemPass": {"max_pool2d_with_indices", "max"},
}


@contextmanager
def idle_passes_left_out() -> Iterator[None]:
    """While it lasts, a pass of ``NEEDED`` runs only on graphs with one of its operators."""
    run = PassBase.__call__

    def run_unless_idle(self: PassBase, graph_module: fx.GraphModule) -> PassResult | None:
        needed = NEEDED.get(type(self).__name__)
        if needed is None or any(
            operator_name(node) in needed for node in graph_module.graph.nodes
        ):
            return run(self, graph_module)
        return PassResult(graph_module, modified=False)

    PassBase.__call__ = run_unless_idle  # type: ignore[method-assign]
    try:
        yield
    finally:
        PassBase.__call__ = run  # type: ignore[method-assign]
