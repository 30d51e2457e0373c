"""ExecuTorch with XNNPACK: a ``.pte`` for the CPU, one delegate."""

import logging
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.fx.passes.infra.pass_base import PassResult

from edge_models.edge import primitives
from edge_models.edge.primitives import Forms
from edge_models.parity import Gate
from edge_models.spec import FloatRule
from export_targets.graph import collector_off, module_classes, module_path, operator_name, ruling
from export_targets.manifest import Delegation, Undelegated
from export_targets.target import DelegatedOperator, Gates, Lowered, Target
from quantize.recipe import Recipe

if TYPE_CHECKING:
    from executorch.exir.backend.partitioner import Partitioner
    from torchao.quantization.pt2e.quantizer import Quantizer

# Chosen by measurement on CoTNet-50 and Conformer-S; tests/README.md has the table.
FORMS = Forms(
    stem=primitives.StemByColumnPairs,
    softmax_mean=primitives.SoftmaxByMeans,
    padded_average_pool=primitives.AveragePoolDepthwise,
    average_pool=primitives.AveragePoolDepthwise,
    layer_norm=primitives.LayerNormByLinear,
    tokens=primitives.RowTokens,
    attention=primitives.AttentionBatched,
    upsampling=primitives.UpsamplingBroadcast,
)

FLOAT_RULES = (
    FloatRule(
        "LayerNormByLinear",
        "the statistics of a layer norm do not survive INT8: agreement on a trained Conformer "
        "falls from 97 to 54 %",
    ),
)


def quantizer(recipe: Recipe, rules: tuple[FloatRule, ...]) -> "Quantizer":
    """XNNPACK's quantizer for convolutions, linears, and sums and concatenations of maps."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, SharedQuantizationSpec
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    from quantize.pt2e import int8_config

    aten = torch.ops.aten

    class MapQuantizer(XNNPACKQuantizer):  # type: ignore[misc]  # the library has no types
        """Leaves the concatenation of tokens float: the quantizer's filter does not reach it. Gives
        copies the scale of what they copy.
        """

        def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
            for node in model.graph.nodes:
                if node.target == aten.cat.default and node.meta["val"].dim() != 4:
                    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(_annotated=True)
            super().annotate(model)
            for node in model.graph.nodes:
                if node.target == aten.conv2d.default and "ColumnPairs" in module_classes(node):
                    shared = SharedQuantizationSpec((node.args[0], node))
                    node.meta[Q_ANNOTATION_KEY].output_qspec = shared
            return model

    result = MapQuantizer()
    result.set_filter_function(lambda node: ruling(node, rules) is None and _is_of_maps(node))
    if recipe.convolution is not None:
        config = int8_config(recipe.convolution)
        result.set_operator_type(aten.conv2d.default, config)
        # inputs and output of a concatenation share one scale: XNNPACK copies, it does not rescale
        result.set_operator_type(aten.cat.default, config)
        result.set_operator_type(aten.add.Tensor, config)
        result.set_operator_type(aten.mul.Tensor, config)
    if recipe.linear is not None:
        result.set_operator_type(aten.linear.default, int8_config(recipe.linear))
    return result


def _is_of_maps(node: torch.fx.Node) -> bool:
    """Whether a sum is of feature maps, not of the transformer's residual stream, and a product one
    of a map with a constant: the copies that upsampling makes. Other operators are never refused.
    """
    if node.target == torch.ops.aten.relu.default and isinstance(node.args[0], torch.fx.Node):
        node = node.args[0]
    if node.target == torch.ops.aten.add.Tensor:
        return bool(node.meta["val"].dim() == 4)
    if node.target == torch.ops.aten.mul.Tensor:
        constant = isinstance(node.args[1], torch.fx.Node) and node.args[1].op == "get_attr"
        return constant and bool(node.meta["val"].dim() == 4)
    return True


def lower(program: torch.export.ExportedProgram, recipe: Recipe, path: Path) -> Lowered:
    """Lower to a ``.pte`` at ``path`` and say what XNNPACK took."""
    from executorch.backends.xnnpack.utils.configs import (
        get_transform_passes,
        get_xnnpack_edge_compile_config,
        get_xnnpack_executorch_backend_config,
    )
    from executorch.exir import to_edge_transform_and_lower

    drop_provenance(program.graph_module)
    with collector_off(), RefusalLog() as refusals:
        edge = to_edge_transform_and_lower(
            program,
            transform_passes=get_transform_passes([drop_provenance]),
            partitioner=[partitioner()],
            compile_config=get_xnnpack_edge_compile_config(),
        )
    lowered = read_delegates(edge.exported_program().graph_module, refusals.reasons)
    executable = edge.to_executorch(get_xnnpack_executorch_backend_config())
    with path.open("wb") as file:
        executable.write_to_file(file)
    return lowered


def partitioner() -> "Partitioner":
    """XNNPACK's partitioner, which asks for one decomposition of the program instead of three where
    it takes every operator that it wants kept whole.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    class WholePartitioner(XnnpackPartitioner):  # type: ignore[misc]  # the library has no types
        def ops_to_not_decompose(self, ep: torch.export.ExportedProgram) -> tuple[Any, Any]:
            kept, takes = super().ops_to_not_decompose(ep)
            whole = all(takes(node) for node in ep.graph.nodes if node.target in kept)
            return kept, None if whole else takes

    return WholePartitioner()


def drop_provenance(graph_module: torch.fx.GraphModule) -> PassResult:
    """Forget from which earlier nodes each node came.

    Every later pass deep-copies that history and adds to it. The debug handles, which are all that
    the runtime's profiler needs of it, are assigned before.
    """
    for node in graph_module.graph.nodes:
        node.meta.pop("from_node", None)
    return PassResult(graph_module, True)


def inspect(path: Path) -> tuple[int, dict[str, int]]:
    """Delegates, and {operator: calls} outside them, in a saved ``.pte``."""
    from executorch.exir._serialize._program import deserialize_pte_binary
    from executorch.exir.schema import DelegateCall, KernelCall

    plan = deserialize_pte_binary(path.read_bytes()).program.execution_plan[0]
    outside: Counter[str] = Counter()
    delegates = set()
    for instruction in plan.chains[0].instructions:
        call = instruction.instr_args
        if isinstance(call, KernelCall):
            outside[plan.operators[call.op_index].name.removeprefix("aten::")] += 1
        if isinstance(call, DelegateCall):
            delegates.add(call.delegate_index)
    return len(delegates), dict(outside)


class RefusalLog(logging.Handler):
    """While open, collects from the partitioner's log why it refused a node, by node name."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.reasons: dict[str, str] = {}
        self.logger = logging.getLogger("executorch.backends.xnnpack.partition")
        self.level_before, self.propagate_before = self.logger.level, self.logger.propagate

    def emit(self, record: logging.LogRecord) -> None:
        from executorch.exir.backend.utils import WhyNoPartition

        if isinstance(record.msg, WhyNoPartition) and record.msg.node is not None:
            self.reasons.setdefault(record.msg.node.name, record.msg.reason)

    def __enter__(self) -> "RefusalLog":
        self.logger.addHandler(self)
        self.logger.setLevel(logging.DEBUG)
        self.logger.propagate = False
        return self

    def __exit__(self, *exception: object) -> None:
        self.logger.removeHandler(self)
        self.logger.setLevel(self.level_before)
        self.logger.propagate = self.propagate_before


def read_delegates(graph_module: torch.fx.GraphModule, reasons: dict[str, str]) -> Lowered:
    """What went into delegates and what fell out, from the program after partitioning."""
    from executorch.exir.delegate import executorch_call_delegate
    from executorch.exir.lowered_backend_module import get_lowered_backend_modules

    fallen = [
        Undelegated(
            operator=operator_name(node),
            module=module_path(node),
            why=reasons.get(node.name, "XNNPACK has no operator for it"),
        )
        for node in _operators(graph_module)
        if node.target is not executorch_call_delegate
    ]
    delegates = get_lowered_backend_modules(graph_module)
    operators = tuple(
        DelegatedOperator(operator_name(node), module_path(node), node.meta.get("debug_handle", 0))
        for delegate in delegates
        for node in _operators(delegate.original_module.graph_module)
    )
    delegation = Delegation(
        delegates=len(delegates),
        delegated_ops=len(operators),
        undelegated=dict(Counter(item.operator for item in fallen)),
        fallen=tuple(fallen),
    )
    return Lowered(delegation, operators)


def _operators(graph_module: torch.fx.GraphModule) -> list[torch.fx.Node]:
    return [
        node
        for node in graph_module.graph.nodes
        if node.op == "call_function" and operator_name(node) != "getitem"
    ]


# Each gate stands below what was measured (tests/README.md) and above what a fault gives.
EDGE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)  # measured 123 to 137 dB
FLOAT_LOWER_GATE = Gate(min_sqnr_db=90.0, min_top1_agreement=1.0)  # measured 118 to 131 dB
# Random weights 34 to 44 dB, trained ones 33 to 41 dB; 3 dB with 98 % agreement where one clipped
# image carries all of the energy, so that agreement judges: three of 16 images may change.
INT8_GATE = Gate(min_sqnr_db=0.0, min_top1_agreement=0.8)
# XNNPACK requantizes integer sums once, the graph rounds each float result: measured 34 to 51 dB.
INT8_LOWER_GATE = Gate(min_sqnr_db=25.0, min_top1_agreement=0.8)
FP32_GATES = Gates(EDGE_GATE, None, FLOAT_LOWER_GATE, chain=FLOAT_LOWER_GATE)
INT8_GATES = Gates(EDGE_GATE, INT8_GATE, INT8_LOWER_GATE, chain=INT8_GATE)

TARGET = Target(
    name="xnnpack",
    summary="ExecuTorch .pte on the CPU through XNNPACK",
    file="model.pte",
    runner="host",
    default_recipe="int8",
    forms=FORMS,
    float_rules=FLOAT_RULES,
    gates={"fp32": FP32_GATES, "int8": INT8_GATES, "int8_mixed": INT8_GATES},
    quantizer=quantizer,
    lower=lower,
    inspect=inspect,
)
