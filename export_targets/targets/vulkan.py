"""ExecuTorch with Vulkan: a ``.pte`` for the phone's GPU, one delegate."""

from typing import TYPE_CHECKING

from edge_models.gate import Gate
from edge_models.spec import FloatRule
from export_targets.target import Gates, Target

if TYPE_CHECKING:
    from edge_models.edge.forms import Forms


def forms() -> "Forms":
    """How the GPU wants the operations written."""
    from edge_models.edge.forms import (
        Forms,
        attention,
        average_pool,
        blur_pool,
        group_norm,
        layer_norm,
        local_convolution,
        residual,
        softmax_mean,
        stem,
        tokens,
        upsampling,
    )

    return Forms(
        stem=stem.StemNative,
        softmax_mean=softmax_mean.SoftmaxByReduction,
        padded_average_pool=average_pool.AveragePoolNative,
        average_pool=average_pool.AveragePoolNative,
        blur_pool=blur_pool.BlurPoolByMeans,
        layer_norm=layer_norm.LayerNormNative,
        tokens=tokens.MatrixTokens,
        attention=attention.AttentionOfMatrices,
        upsampling=upsampling.UpsamplingOfMatrix,
        residual=residual.GatheredSum,
        # a Conformer doubles its class token in each block: in a trained one to 75,813, beyond
        # float16. It begins near 0.02: with a smaller scale much of it would be subnormal there
        residual_scale=2.0**-4,
        local_convolution=local_convolution.LocalConvolutionByColumns,
        group_norm=group_norm.GroupNormNative,
        rewritten=frozenset(
            (
                *("batch_norm", "layer_norm", "group_norm", "instance_norm"),
                "grouped_convolution",
                *("split", "unbind", "select", "squeeze", "expand", "roll", "linear"),
                *("mean_of_several_axes", "sum", "max", "scaled_dot_product_attention"),
                *("avg_pool2d", "max_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"),
                *("upsample_bilinear2d", "pixel_shuffle", "pixel_unshuffle"),
                *("hardswish", "hardsigmoid", "tanh", "mish", "leaky_relu", "prelu", "elu"),
            )
        ),
    )


def float_rules() -> tuple[FloatRule, ...]:
    """What stays float at INT8."""
    from edge_models.edge.forms import local_convolution
    from edge_models.edge.official_cot_layer import ContextMeans, ContextMix
    from edge_models.edge.official_cotnet import CarriedSum

    return (
        FloatRule(
            local_convolution.ColumnSum,
            "its products are float: rounding each of its sums costs 2 dB",
        ),
        FloatRule(ContextMeans, "a sum of two numbers a channel, each quantized for it alone"),
        FloatRule(ContextMix, "a float product before a rounded sum costs 1 dB"),
        FloatRule(CarriedSum, "each rounding of what all blocks add to is carried on"),
    )


# Each gate stands below what was measured (docs/measurements.md) and above what a fault gives.
EDGE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)
# The runtime's GELU is the tanh form: 78 dB for a Conformer; without one over 100.
FP32_LOWER_GATE = Gate(min_sqnr_db=70.0, min_top1_agreement=1.0)
FP16_LOWER_GATE = Gate(min_sqnr_db=40.0, min_top1_agreement=0.7)  # 15 of 16: 0.72
# The trained official CoTNet for digits: 39 dB on its 16 golden images, its file 38 dB from the
# graph; a constant answer has 0 dB.
INT8_GATE = Gate(min_sqnr_db=20.0, min_top1_agreement=0.6)  # 14 of 16: 0.64
INT8_LOWER_GATE = Gate(min_sqnr_db=20.0, min_top1_agreement=0.6)
# The same file on ExecuTorch's Vulkan runtime with a software device and in the interpreter: FP32
# 122 to 133 dB, INT8 36 to 55 dB as float sums in another order fall on the other side of a step.
FP32_DEVICE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)
INT8_DEVICE_GATE = Gate(min_sqnr_db=30.0, min_top1_agreement=0.6)
# A phone's GPU may store float16 in any of these ways. Rounded toward zero every sum shrinks: the
# models for digits keep 40 dB and more, the trained Conformer-Ti 44 dB, the trained official
# CoTNet-50 27 dB, for one of 16 photographs whose logits are twenty times the others' (median 48
# dB). The device may be that way, so its gate is the worst one's.
FP16_TOWARD_ZERO_GATE = Gate(min_sqnr_db=20.0, min_top1_agreement=0.6)
ROUNDINGS = {"toward_zero": "interpreter_toward_zero", "flushed": "interpreter_flushed"}
FP32_GATES = Gates(EDGE_GATE, None, FP32_LOWER_GATE, FP32_LOWER_GATE, FP32_DEVICE_GATE)
FP16_GATES = Gates(
    edge=EDGE_GATE,
    quantize=None,
    lower=FP16_LOWER_GATE,
    chain=FP16_LOWER_GATE,
    device=FP16_TOWARD_ZERO_GATE,
    others={"toward_zero": FP16_TOWARD_ZERO_GATE, "flushed": FP16_LOWER_GATE},
)
INT8_GATES = Gates(EDGE_GATE, INT8_GATE, INT8_LOWER_GATE, INT8_GATE, INT8_DEVICE_GATE)

TARGET = Target(
    name="vulkan",
    summary="ExecuTorch .pte for the phone's GPU through Vulkan",
    file="model.pte",
    runner="interpreter",
    default_recipe="fp16",
    forms=forms,
    float_rules=float_rules,
    gates={"fp32": FP32_GATES, "fp16": FP16_GATES, "int8": INT8_GATES},
    lowering="vulkan",
    other_runners=ROUNDINGS,
    int8_operators="convolutions but depthwise ones, sums of feature maps, and linears of rows, "
    "not for what gives the logits",
)
