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
from executorch.backends.xnnpack._passes.conv1d_unsqueeze_pass import Conv1dUnsqueezePass
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
from executorch.backends.xnnpack._passes.propagate_custom_meta_pass import PropagateCustomMetaPass
from executorch.backends.xnnpack._passes.remove_noop_expand_copy_pass import (
    RemoveNoopExpandCopyPass,
)
from executorch.exir.passes.const_prop_pass import ConstPropPass
from executorch.exir.passes.memory_format_ops_pass import (
    DimOrderOpsRevertPass,
    MemoryFormatOpsPass,
)
from executorch.exir.passes.normalize_transpose_pass import NormalizeTransposePass
from executorch.exir.passes.remove_mixed_type_operators import RemoveMixedTypeOperators
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


def _calls_convolution_of_rows(node: fx.Node) -> bool:
    weight = node.args[1] if operator_name(node) == "convolution" else None
    return isinstance(weight, fx.Node) and weight.meta["val"].dim() == 3


def _calls_with_constants_alone(node: fx.Node) -> bool:
    sources = node.all_input_nodes
    return node.op == "call_function" and all(source.op == "get_attr" for source in sources)


def _computes_not_in_float32(node: fx.Node) -> bool:
    """Whether a sum, product or minimum may have inputs of several types, or divides integers."""
    read = [source.meta.get("val") for source in node.all_input_nodes]
    types = {getattr(value, "dtype", None) for value in read}
    return operator_name(node) in ("add", "sub", "mul", "div", "minimum") and types != {
        torch.float32
    }


def _is_annotated(node: fx.Node) -> bool:
    return "custom" in node.meta


_BATCH_NORM = _calls("native_batch_norm", "_native_batch_norm_legit_no_training")
# What a pass rewrites, or what the pattern that it looks for holds.
REWRITES: dict[type[PassBase], Callable[[fx.Node], bool]] = {
    ConstPropPass: _calls_with_constants_alone,
    Conv1dUnsqueezePass: _calls_convolution_of_rows,
    ConvertToLinearPass: _calls("mm", "addmm", "bmm"),
    ConvertToSDPAPass: _calls("where"),  # of a masked attention
    ConvertToUpsampleBilinear2d: _calls("upsample_bilinear2d", "index", "_unsafe_index"),
    DecomposeBatchNorm: _BATCH_NORM,
    DecomposeConcatenate: _calls_long_concatenation,
    DimOrderOpsRevertPass: _calls("dim_order_ops"),  # a namespace: their short name begins with it
    FuseActivationPass: _calls("relu", "hardtanh"),
    FuseBatchNormPass: _BATCH_NORM,
    MemoryFormatOpsPass: _calls("_to_copy", "empty", "clone"),
    NormalizeTransposePass: _calls("t"),
    PropagateCustomMetaPass: _is_annotated,
    PReLUReshapePass: _calls("_prelu_kernel"),
    RemoveGetItemPass: _calls("max_pool2d_with_indices", "max"),
    RemoveMixedTypeOperators: _computes_not_in_float32,
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
