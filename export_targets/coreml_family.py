"""What the Core ML targets share: forms for the Neural Engine, their quantizer, their gates."""

from typing import TYPE_CHECKING

from edge_models.gate import Gate
from edge_models.spec import FloatRule
from export_targets.target import Gates

if TYPE_CHECKING:
    from edge_models.edge.forms import Forms


def forms() -> "Forms":
    """How the Neural Engine wants the operations written."""
    from edge_models.edge.forms import (
        Forms,
        attention,
        average_pool,
        group_norm,
        layer_norm,
        local_convolution,
        softmax_mean,
        stem,
        tokens,
        upsampling,
    )

    # tests/export_targets/coreml_inventory.txt counts their operators and those of plain forms
    return Forms(
        stem=stem.StemNative,
        softmax_mean=softmax_mean.SoftmaxByReduction,
        padded_average_pool=average_pool.AveragePoolNative,
        average_pool=average_pool.AveragePoolNative,
        layer_norm=layer_norm.LayerNormScaled,
        tokens=tokens.ChannelTokens,
        attention=attention.AttentionByHeads,
        upsampling=upsampling.UpsamplingOfColumns,
        # a Conformer doubles its class token in each block: in a trained one to 65,967, beyond
        # float16
        residual_scale=2.0**-6,
        # its native form has tensors of six axes; Core ML has five
        local_convolution=local_convolution.LocalConvolutionInFloat16,
        group_norm=group_norm.GroupNormScaled,
        rewritten=frozenset(("group_norm", "instance_norm")),  # theirs squares in float16
    )


def float_rules() -> tuple[FloatRule, ...]:
    """What stays float at INT8."""
    from edge_models.edge.forms import group_norm, local_convolution

    return (
        FloatRule(
            group_norm.GroupNormScaled,
            "a group norm's statistics, squares among them, need more than 8 bits",
        ),
        FloatRule(
            local_convolution.TapNormScaled,
            "a group norm's statistics, squares among them, need more than 8 bits",
        ),
    )


INT8_OPERATORS = "convolutions and linears; what they give stays float16"

EDGE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)
FP32_LOWER_GATE = Gate(min_sqnr_db=80.0, min_top1_agreement=1.0)
FP16_LOWER_GATE = Gate(min_sqnr_db=40.0, min_top1_agreement=0.7)  # 15 of 16: 0.72
# The trained official CoTNet for digits: 44 dB on its 16 golden images; a constant answer: 0 dB.
INT8_GATE = Gate(min_sqnr_db=20.0, min_top1_agreement=0.6)  # 14 of 16: 0.64
INT8_LOWER_GATE = Gate(min_sqnr_db=28.0, min_top1_agreement=0.6)
FP32_GATES = Gates(EDGE_GATE, None, FP32_LOWER_GATE, chain=FP32_LOWER_GATE)
FP16_GATES = Gates(EDGE_GATE, None, FP16_LOWER_GATE, chain=FP16_LOWER_GATE)
EXACT_GATE = Gate(min_sqnr_db=60.0, min_top1_agreement=1.0)


def _weights_gates(min_sqnr_db: float, min_top1_agreement: float) -> Gates:
    gate = Gate(min_sqnr_db=min_sqnr_db, min_top1_agreement=min_top1_agreement)
    return Gates(EDGE_GATE, gate, FP16_LOWER_GATE, gate, others={"exact": EXACT_GATE})


# Compressed weights change the network itself. The trained official CoTNet for digits has 49 dB on
# its 16 golden images with INT8 weights, 40 in mixed palettes and 29 in those of 4 bits; without
# calibration images 24.
WEIGHTS_GATES = {
    "int8_weight_only": _weights_gates(30.0, 0.7),
    "palettized_6bit": _weights_gates(20.0, 0.55),
    "palettized_mixed": _weights_gates(20.0, 0.6),
    "palettized_4bit": _weights_gates(7.0, 0.35),
}
INT8_GATES = Gates(EDGE_GATE, INT8_GATE, INT8_LOWER_GATE, chain=INT8_GATE)
