"""Leave out those of ExecuTorch's passes that have nothing to rewrite.

Each pass traces the whole program again, also where it finds nothing; two of them first export and
lower the patterns that they look for. Half of a lowering is such tracing. Under other versions than
the passes were read from, all of them run.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from executorch.backends.transforms.remove_getitem_op import RemoveGetItemPass
from executorch.backends.xnnpack._passes.convert_to_linear import ConvertToLinearPass
from executorch.backends.xnnpack._passes.convert_to_sdpa import ConvertToSDPAPass
from executorch.backends.xnnpack._passes.convert_to_upsample_bilinear2d import (
    ConvertToUpsampleBilinear2d,
)
from executorch.backends.xnnpack._passes.decompose_batch_norm import DecomposeBatchNorm
from executorch.backends.xnnpack._passes.decompose_cat import DecomposeConcatenate
from executorch.backends.xnnpack._passes.fuse_activation_pass import FuseActivationPass
from executorch.backends.xnnpack._passes.fuse_batch_norm import FuseBatchNormPass
from executorch.backends.xnnpack._passes.prelu_reshape_pass import PReLUReshapePass
from executorch.backends.xnnpack._passes.remove_noop_expand_copy_pass import (
    RemoveNoopExpandCopyPass,
)
from executorch.exir.passes.normalize_transpose_pass import NormalizeTransposePass
from executorch.exir.passes.replace_broken_ops_with_function_ops_pass import (
    ReplaceBrokenOpsWithFunctionalOpsPass,
)
from executorch.exir.passes.sym_to_tensor_pass import SymToTensorPass
from torch import fx
from torch.fx.passes.infra.pass_base import PassBase, PassResult

from export_targets.lowering.graph import operator_name
from export_targets.lowering.read_versions import other_versions


def _calls(*names: str) -> Callable[[fx.Node], bool]:
    return lambda node: operator_name(node) in names


def _calls_view(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target.is_view


def _is_symbolic(node: fx.Node) -> bool:
    return isinstance(node.meta.get("val"), torch.SymInt | torch.SymFloat | torch.SymBool)


def _calls_long_concatenation(node: fx.Node) -> bool:
    return operator_name(node) == "cat" and len(node.args[0]) > 5  # type: ignore[arg-type]


_BATCH_NORM = _calls("native_batch_norm", "_native_batch_norm_legit_no_training")
# What a pass rewrites, or what the pattern that it looks for holds.
REWRITES: dict[type[PassBase], Callable[[fx.Node], bool]] = {
    ConvertToLinearPass: _calls("mm", "addmm", "bmm"),
    ConvertToSDPAPass: _calls("where"),  # of a masked attention
    ConvertToUpsampleBilinear2d: _calls("upsample_bilinear2d", "index", "_unsafe_index"),
    DecomposeBatchNorm: _BATCH_NORM,
    DecomposeConcatenate: _calls_long_concatenation,
    FuseActivationPass: _calls("relu", "hardtanh"),
    FuseBatchNormPass: _BATCH_NORM,
    NormalizeTransposePass: _calls("t"),
    PReLUReshapePass: _calls("_prelu_kernel"),
    RemoveGetItemPass: _calls("max_pool2d_with_indices", "max"),
    RemoveNoopExpandCopyPass: _calls("expand_copy"),
    ReplaceBrokenOpsWithFunctionalOpsPass: _calls_view,
    SymToTensorPass: _is_symbolic,
}
_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def idle_passes_left_out() -> Iterator[None]:
    """While it lasts, a pass of ``REWRITES`` runs only on graphs with a node for it. Other threads'
    passes run as ever.
    """
    if other_versions():
        yield
        return
    lowering = threading.get_ident()
    with _ONE_AT_A_TIME:
        run = PassBase.__call__

        def run_unless_idle(self: PassBase, graph_module: fx.GraphModule) -> PassResult | None:
            rewrites = REWRITES.get(type(self)) if threading.get_ident() == lowering else None
            if rewrites is None or any(map(rewrites, graph_module.graph.nodes)):
                return run(self, graph_module)
            return PassResult(graph_module, modified=False)

        PassBase.__call__ = run_unless_idle  # type: ignore[method-assign]
        try:
            yield
        finally:
            PassBase.__call__ = run  # type: ignore[method-assign]
