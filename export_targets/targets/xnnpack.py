"""ExecuTorch with XNNPACK: a ``.pte`` for the CPU, one delegate."""

from typing import TYPE_CHECKING

from edge_models.gate import Gate
from edge_models.spec import FloatRule
from export_targets.target import Gates, Target

if TYPE_CHECKING:
    from edge_models.edge.forms import Forms


def forms() -> "Forms":
    """How the CPU wants the operations written."""
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

    # Chosen by measurement on CoTNet-50 and Conformer-S; docs/measurements.md has the table.
    return Forms(
        stem=stem.StemByColumnPairs,
        softmax_mean=softmax_mean.SoftmaxByPool,
        padded_average_pool=average_pool.AveragePoolDepthwise,
        average_pool=average_pool.AveragePoolDepthwise,
        layer_norm=layer_norm.LayerNormByLinear,
        tokens=tokens.RowTokens,
        attention=attention.AttentionBatched,
        joins_shortcuts=True,
        upsampling=upsampling.UpsamplingByCopies,
        local_convolution=local_convolution.LocalConvolutionBySlices,
        group_norm=group_norm.GroupNormByMeans,
        rewritten=frozenset(
            (
                *("split", "unbind", "select", "squeeze", "expand", "strided_slice", "roll"),
                *("mean", "sum", "amax", "max", "softmax", "scaled_dot_product_attention"),
                *("avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d", "upsample_nearest2d"),
                *("layer_norm", "group_norm", "instance_norm", "stem"),
                *("hardsigmoid", "mish", "softplus", "elu", "gelu"),
            )
        ),
    )


def float_rules() -> tuple[FloatRule, ...]:
    """What stays float at INT8."""
    from edge_models.edge.forms import group_norm, layer_norm, local_convolution
    from edge_models.edge.network.rewrites import reductions
    from edge_models.edge.official_cot_layer import ContextMeans, ContextMix
    from edge_models.edge.official_cotnet import CarriedSum

    return (
        FloatRule(
            reductions.MeanOfLast,
            "a mean over an axis is mostly a norm's, whose statistics do not survive INT8",
        ),
        FloatRule(reductions.MeanOfChannels, "as MeanOfLast"),
        FloatRule(
            group_norm.GroupNormByMeans,
            "a group norm's statistics, squares among them, need more than 8 bits",
        ),
        FloatRule(
            layer_norm.LayerNormByLinear,
            "the statistics of a layer norm do not survive INT8: agreement on a trained Conformer "
            "falls from 97 to 54 %",
        ),
        FloatRule(
            local_convolution.TapNorm,
            "a group norm's statistics, squares among them, need more than 8 bits",
        ),
        FloatRule(
            local_convolution.TapSum,
            "nine rounded products and eight rounded sums cost 6 dB in a layer, and time: float "
            "products are faster",
        ),
        FloatRule(
            ContextMeans,
            "on the scale of a map its mean has a few steps, and it decides how much "
            "of either context is taken",
        ),
        FloatRule(ContextMix, "a rounded product before a rounded sum costs 3 dB in a layer"),
        FloatRule(
            CarriedSum,
            "each rounding of what all blocks add to is carried on: 3 dB of a trained CoTNet-50, "
            "for 4 % of its time",
        ),
    )


# Each gate stands below what was measured (docs/measurements.md) and above what a fault gives.
EDGE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)  # measured 123 to 137 dB
FLOAT_LOWER_GATE = Gate(min_sqnr_db=90.0, min_top1_agreement=1.0)  # measured 118 to 131 dB
# The trained models for digits: 37 to 42 dB on their 16 golden images, each with top-1 1.000 where
# a constant answer has 0.25 and 0 dB. Of 16 images two may change: 14 speak for 0.64 of all.
INT8_GATE = Gate(min_sqnr_db=20.0, min_top1_agreement=0.6)
# XNNPACK requantizes integer sums once, the graph rounds each float result: the models for digits
# 37 to 42 dB.
INT8_LOWER_GATE = Gate(min_sqnr_db=20.0, min_top1_agreement=0.6)
# The same file on ARM64 and on x86-64. FP32: measured 131 to 137 dB. INT8: CoTNet-50 and the models
# for digits equal to the bit; in Conformer-Ti (37 dB) the float mean of a layer norm differs first,
# in its last bits, and a later product by one step of INT8 (docs/measurements.md, ARM64).
FLOAT_DEVICE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)
INT8_DEVICE_GATE = Gate(min_sqnr_db=25.0, min_top1_agreement=0.6)
FP32_GATES = Gates(EDGE_GATE, None, FLOAT_LOWER_GATE, FLOAT_LOWER_GATE, FLOAT_DEVICE_GATE)
INT8_GATES = Gates(EDGE_GATE, INT8_GATE, INT8_LOWER_GATE, INT8_GATE, INT8_DEVICE_GATE)

# Picoseconds on two threads with AVX512-VNNI (python -m tests.benchmarks float-costs).
FLOAT_COSTS = {"conv2d": 3.2, "linear": 3.5, "bmm": 1.8}

TARGET = Target(
    name="xnnpack",
    summary="ExecuTorch .pte on the CPU through XNNPACK",
    file="model.pte",
    runner="host",
    samples=64,
    default_recipe="int8",
    forms=forms,
    float_rules=float_rules,
    gates={
        "fp32": FP32_GATES,
        "int8": INT8_GATES,
        "int8_mixed": INT8_GATES,
        "int8_dynamic": INT8_GATES,
    },
    lowering="xnnpack",
    int8_operators="convolutions, linears, products of attention, and sums and concatenations of "
    "feature maps",
    float_costs=FLOAT_COSTS,
)
