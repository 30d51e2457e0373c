"""What is known to be taken of the INT8 operators."""

import torch

from export_targets.interpret.vk.conditions import (
    SEEN,
    Arguments,
    Condition,
    a_tensor,
    bytes_of,
    constant,
    equal,
    floats,
    one,
    shape,
    whole,
    wholes,
)

WHOLE_BYTE = (equal("quant_min", -128, SEEN), equal("quant_max", 127, SEEN))


def _scale(argument: str) -> Condition:
    def holds(value: object) -> bool:
        return isinstance(value, float | int) and not isinstance(value, bool) and value > 0

    return one(argument, "a number above 0", holds, SEEN)


def _zero_point(argument: str) -> Condition:
    return one(argument, "-128 to 127", lambda value: -128 <= whole(value) <= 127, SEEN)


def _sums(argument: str) -> Condition:
    def holds(given: Arguments) -> bool:
        tensor = a_tensor(given[argument])
        return tensor.dtype == torch.int32 and tensor.constant is not None

    return Condition(argument, "constant int32, of the weights", holds, SEEN)


WEIGHTS = (
    _scale("input_scale"),
    _zero_point("input_zero_point"),
    _sums("weight_sums"),
    constant("weight_scales", 1, evidence=SEEN),
    _scale("output_scale"),
    _zero_point("output_zero_point"),
    constant("bias", 1, optional=True, evidence=SEEN),
)
ACTIVATION = one("activation", "'none'", lambda value: value == "none", SEEN)
LINEAR_NAMES = (
    "x input_scale input_zero_point weights weight_sums weight_scales output_scale "
    "output_zero_point bias"
)
LINEAR = (bytes_of("x", 2), bytes_of("weights", 2, held=True), *WEIGHTS, ACTIVATION)


def _one_row(given: Arguments) -> bool:
    return shape(given["x"])[0] == 1


def _same(given: Arguments) -> bool:
    return shape(given["input_a"]) == shape(given["input_b"])


def _dense(given: Arguments) -> bool:
    """One group; or, 3x3, groups of whole texels, moved by one place."""
    groups, channels = whole(given["groups"]), shape(given["x"])[1]
    if groups == 1:
        return True
    texels = channels // groups % 4 == 0 and shape(given["weights"])[0] // groups % 4 == 0
    window = wholes(given["kernel_size"]), wholes(given["stride"]), wholes(given["dilation"])
    return 1 < groups < channels and texels and window == ((3, 3), (1, 1), (1, 1))


def _pointwise(given: Arguments) -> bool:
    window = tuple(wholes(given[name]) for name in ("kernel_size", "stride", "padding"))
    return window == ((1, 1), (1, 1), (0, 0)) and whole(given["groups"]) == 1


def _convolution(window: Condition) -> tuple[str, tuple[Condition, ...]]:
    return (
        f"{LINEAR_NAMES} kernel_size stride padding dilation groups activation",
        (
            bytes_of("x", 4),
            one("x", "one image", lambda value: shape(value)[0] == 1, SEEN),
            bytes_of("weights", 2, held=True),
            *WEIGHTS,
            window,
            ACTIVATION,
        ),
    )


TABLE: dict[str, tuple[str, tuple[Condition, ...]]] = {
    "quantized_decomposed.quantize_per_tensor.default": (
        "input scale zero_point quant_min quant_max dtype",
        (floats("input", (2, 4), SEEN), _scale("scale"), _zero_point("zero_point"), *WHOLE_BYTE),
    ),
    "quantized_decomposed.dequantize_per_tensor.default": (
        "input scale zero_point quant_min quant_max dtype out_dtype",
        (bytes_of("input", 2, 4), _scale("scale"), _zero_point("zero_point"), *WHOLE_BYTE),
    ),
    "et_vk.q8ta_add.default": (
        "input_a input_b input_a_scale input_a_zero_point input_b_scale input_b_zero_point "
        "output_scale output_zero_point alpha",
        (
            bytes_of("input_a", 4),
            bytes_of("input_b", 4),
            Condition("input_b", "the shape of input_a", _same, SEEN),
            *(_scale(f"{name}_scale") for name in ("input_a", "input_b", "output")),
            *(_zero_point(f"{name}_zero_point") for name in ("input_a", "input_b", "output")),
            equal("alpha", 1, SEEN),
        ),
    ),
    "et_vk.q8ta_linear.default": (f"{LINEAR_NAMES} activation", LINEAR),
    "et_vk.q8ta_linear_gemv.default": (
        f"{LINEAR_NAMES} activation",
        (*LINEAR, Condition("x", "one row", _one_row, SEEN)),
    ),
    "et_vk.q8ta_conv2d.default": _convolution(
        Condition("groups", "1; or, 3x3 with stride 1, of a multiple of 4 channels", _dense, SEEN),
    ),
    "et_vk.q8ta_conv2d_pw.default": _convolution(
        Condition("kernel_size", "1x1, stride 1, no padding, one group", _pointwise, SEEN)
    ),
}
