"""ExecuTorch with XNNPACK: a ``.pte`` for the CPU, one delegate."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from edge_models.edge.forms import (
    Forms,
    attention,
    average_pool,
    layer_norm,
    local_convolution,
    softmax_mean,
    stem,
    tokens,
    upsampling,
)
from edge_models.parity import Gate
from edge_models.spec import FloatRule
from export_targets.lowering.delegates import RefusalLog, inspect, read_delegates
from export_targets.lowering.graph import drop_provenance, module_classes, ruling
from export_targets.lowering.idle_passes import idle_passes_left_out
from export_targets.target import Gates, Lowered, Lowering, Target
from quantize.recipe import Recipe

if TYPE_CHECKING:
    from executorch.exir.backend.partitioner import Partitioner
    from torchao.quantization.pt2e.quantizer import Quantizer

# Chosen by measurement on CoTNet-50 and Conformer-S; tests/README.md has the table.
FORMS = Forms(
    stem=stem.StemByColumnPairs,
    softmax_mean=softmax_mean.SoftmaxByPool,
    padded_average_pool=average_pool.AveragePoolDepthwise,
    average_pool=average_pool.AveragePoolDepthwise,
    layer_norm=layer_norm.LayerNormByLinear,
    tokens=tokens.RowTokens,
    attention=attention.AttentionBatched,
    upsampling=upsampling.UpsamplingBroadcast,
    local_convolution=local_convolution.LocalConvolutionBySlices,
)

FLOAT_RULES = (
    FloatRule(
        "LayerNormByLinear",
        "the statistics of a layer norm do not survive INT8: agreement on a trained Conformer "
        "falls from 97 to 54 %",
    ),
    FloatRule("TapNorm", "a group norm's statistics, squares among them, need more than 8 bits"),
    FloatRule(
        "TapSum",
        "nine rounded products and eight rounded sums cost 6 dB in a layer, and time: float "
        "products are faster",
    ),
    FloatRule(
        "ContextMeans",
        "on the scale of a map its mean has a few steps, and it decides how much "
        "of either context is taken",
    ),
    FloatRule("ContextMix", "a rounded product before a rounded sum costs 3 dB in a layer"),
)


def quantizer(recipe: Recipe, rules: tuple[FloatRule, ...]) -> "Quantizer":
    """XNNPACK's quantizer for convolutions, linears, and sums and concatenations of maps."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
    from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, SharedQuantizationSpec
    from torchao.quantization.pt2e.quantizer.quantizer import Q_ANNOTATION_KEY

    from quantize.pt2e import int8_config

    aten = torch.ops.aten

    class MapQuantizer(XNNPACKQuantizer):  # type: ignore[misc]  # the library has no types
        """Leaves the concatenation of tokens and the means that a rule names float: the quantizer's
        filter does not reach them. Gives copies and pads the scale of what they copy, and quantizes
        the weights of a local convolution before they are sliced.
        """

        def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
            for node in model.graph.nodes:
                of_tokens = node.target == aten.cat.default and node.meta["val"].dim() != 4
                if of_tokens or (node.target == aten.mean.dim and ruling(node, rules)):
                    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(_annotated=True)
                if node.target == aten.pad.default and not ruling(node, rules):
                    shared = SharedQuantizationSpec(node.args[0])
                    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                        {node.args[0]: shared}, shared, _annotated=True
                    )
                if _is_sliced_weights(node):
                    node.meta[Q_ANNOTATION_KEY] = QuantizationAnnotation(
                        {}, int8_config("static").output_activation, _annotated=True
                    )
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


def _is_sliced_weights(node: torch.fx.Node) -> bool:
    """Whether a node is the weights of a local convolution before they are sliced by taps."""
    users = list(node.users)
    return len(users) == 9 and all(
        user.target == torch.ops.aten.slice.Tensor
        and "LocalConvolutionBySlices" in module_classes(user)
        for user in users
    )


def lower(program: torch.export.ExportedProgram, _: Lowering, path: Path) -> Lowered:
    """Lower to a ``.pte`` at ``path`` and say what XNNPACK took."""
    from executorch.backends.xnnpack.utils.configs import (
        get_transform_passes,
        get_xnnpack_edge_compile_config,
        get_xnnpack_executorch_backend_config,
    )
    from executorch.exir import to_edge_transform_and_lower

    drop_provenance(program.graph_module)
    with idle_passes_left_out(), RefusalLog("executorch.backends.xnnpack.partition") as refusals:
        edge = to_edge_transform_and_lower(
            program,
            transform_passes=get_transform_passes([drop_provenance]),
            partitioner=[partitioner()],
            compile_config=get_xnnpack_edge_compile_config(),
        )
    whole = edge.exported_program().graph_module
    lowered = read_delegates(whole, refusals.reasons, "XNNPACK has no operator for it")
    executable = edge.to_executorch(get_xnnpack_executorch_backend_config())
    with path.open("wb") as file:
        executable.write_to_file(file)
    return lowered


def partitioner() -> "Partitioner":
    """XNNPACK's partitioner, which also takes INT8 pads, and asks for one decomposition of the
    program instead of three where it takes every operator that it wants kept whole.
    """
    from executorch.backends.xnnpack.partition.config import ALL_PARTITIONER_CONFIGS
    from executorch.backends.xnnpack.partition.config.generic_node_configs import ConstantPadConfig
    from executorch.backends.xnnpack.partition.config.xnnpack_config import ConfigPrecisionType
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner

    class PadConfig(ConstantPadConfig):  # type: ignore[misc]
        """Takes the pad of an INT8 map as one; the library's converts to float and back."""

        def supported_precision_types(self) -> list[ConfigPrecisionType]:
            return [ConfigPrecisionType.FP32, ConfigPrecisionType.STATIC_QUANT]

    class WholePartitioner(XnnpackPartitioner):  # type: ignore[misc]  # the library has no types
        def ops_to_not_decompose(self, ep: torch.export.ExportedProgram) -> tuple[Any, Any]:
            kept, takes = super().ops_to_not_decompose(ep)
            whole = all(takes(node) for node in ep.graph.nodes if node.target in kept)
            return kept, None if whole else takes

    configs = [PadConfig if c is ConstantPadConfig else c for c in ALL_PARTITIONER_CONFIGS]
    return WholePartitioner(configs=configs)


# Each gate stands below what was measured (tests/README.md) and above what a fault gives.
EDGE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)  # measured 123 to 137 dB
FLOAT_LOWER_GATE = Gate(min_sqnr_db=90.0, min_top1_agreement=1.0)  # measured 118 to 131 dB
# The trained models for digits: 37 to 42 dB on their 16 golden images, each with top-1 1.000 where
# a constant answer has 0.25 and 0 dB. Three of 16 images may change.
INT8_GATE = Gate(min_sqnr_db=15.0, min_top1_agreement=0.8)
# XNNPACK requantizes integer sums once, the graph rounds each float result: the models for digits
# 37 to 42 dB.
INT8_LOWER_GATE = Gate(min_sqnr_db=25.0, min_top1_agreement=0.8)
# The same file on ARM64 and on x86-64. FP32: measured 131 to 137 dB. INT8: CoTNet-50 and the models
# for digits equal to the bit; in Conformer-Ti (37 dB) the float mean of a layer norm differs first,
# in its last bits, and a later product by one step of INT8 (tests/README.md, ARM64).
FLOAT_DEVICE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)
INT8_DEVICE_GATE = Gate(min_sqnr_db=25.0, min_top1_agreement=0.8)
FP32_GATES = Gates(EDGE_GATE, None, FLOAT_LOWER_GATE, FLOAT_LOWER_GATE, FLOAT_DEVICE_GATE)
INT8_GATES = Gates(EDGE_GATE, INT8_GATE, INT8_LOWER_GATE, INT8_GATE, INT8_DEVICE_GATE)

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
