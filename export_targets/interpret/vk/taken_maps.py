"""What is known to be taken of operators on feature maps."""

from export_targets.interpret.vk.conditions import (
    CASES,
    REGISTRY,
    SEEN,
    TESTS,
    Argument,
    Arguments,
    Condition,
    bound,
    constant,
    equal,
    flag,
    floats,
    one,
    shape,
    whole,
    wholes,
)


def _pair(value: Argument, smallest: int) -> bool:
    numbers = wholes(value)
    return len(numbers) == 2 and min(numbers) >= smallest


def _groups(given: Arguments) -> bool:
    """One group; each channel a group of its own; or groups of whole texels."""
    groups, weight = whole(given["groups"]), shape(given["weight"])
    inputs = shape(given["self"])[1]
    if groups == 1:
        return weight[1] == inputs
    if groups == inputs:
        return weight[0] == inputs
    return (
        groups > 0 and weight[2:] == (3, 3) and weight[1] % 4 == 0 and weight[0] // groups % 4 == 0
    )


def _window(given: Arguments) -> bool:
    """What the kernel of a convolution with groups takes of stride, padding and dilation."""
    groups, weight = whole(given["groups"]), shape(given["weight"])
    stride, padding, dilation = (wholes(given[name]) for name in ("stride", "padding", "dilation"))
    if groups == 1:
        return True
    if groups == shape(given["self"])[1]:
        return weight[2:] in ((3, 3), (5, 5)) and stride == dilation and min(padding) > 0
    return stride == dilation == (1, 1)


GEOMETRY = (
    one("stride", "two numbers, 1 or more", lambda value: _pair(value, 1)),
    one("padding", "two numbers, 0 or more", lambda value: _pair(value, 0)),
    one("dilation", "two numbers, 1 or more", lambda value: _pair(value, 1)),
)
ONE_IMAGE = one("self", "one image", lambda value: shape(value)[0] == 1, f"{CASES}, {REGISTRY}")
CONVOLUTION_NAMES = "self weight bias stride padding dilation transposed output_padding groups"
CONVOLUTION = (
    floats("self", (4,)),
    ONE_IMAGE,
    constant("weight", 4),
    constant("bias", 1, optional=True),
    *GEOMETRY,
    equal("transposed", False),
    equal("output_padding", (0, 0)),
    Condition(
        "groups",
        "1; one a channel; or, 3x3, groups of a multiple of 4 channels",
        _groups,
        f"{CASES}; others {SEEN} to be wrong",
    ),
    Condition(
        "stride",
        "with one group any; depthwise 3x3 or 5x5, its dilation, with padding; with groups 1",
        _window,
        f"{CASES}; depthwise of another stride {SEEN} to be wrong",
    ),
)


def _averaged(given: Arguments) -> bool:
    """No padding, or the one padded window that was run."""
    window = tuple(wholes(given[name]) for name in ("kernel_size", "stride", "padding"))
    if window[2] == (0, 0):
        return True
    plain = given["ceil_mode"] is False and given["divisor_override"] is None
    return window == PADDED and plain and given["count_include_pad"] is True


def _divisor(value: Argument) -> bool:
    return value is None or (not isinstance(value, tuple) and whole(value) >= 1)


def _largest(given: Arguments) -> bool:
    window = tuple(wholes(given[name]) for name in ("kernel_size", "stride", "padding"))
    return window[2] == (0, 0) or window == PADDED


PADDED = ((3, 3), (2, 2), (1, 1))
STRIDE = one(
    "stride",
    "two numbers, 1 or more; never left out",
    lambda value: _pair(value, 1),
    f"{CASES}; without it {SEEN} not to load",
)
KERNEL = one("kernel_size", "two numbers", lambda value: _pair(value, 1))


def _magnified(given: Arguments) -> bool:
    """To whole multiples of the map, by a size or by factors."""
    size, factors = given["output_size"], given["scale_factors"]
    if size is None:
        return isinstance(factors, tuple) and len(factors) == 2 and min(wholes(factors)) >= 1
    sides = zip(wholes(size), shape(given["input"])[2:], strict=True)
    return factors is None and all(new > 0 and new % old == 0 for new, old in sides)


TABLE: dict[str, tuple[str, tuple[Condition, ...]]] = {
    "aten.avg_pool2d.default": (
        "self kernel_size stride padding ceil_mode count_include_pad divisor_override",
        (
            floats("self", (3, 4), f"{CASES}, {TESTS}"),
            KERNEL,
            STRIDE,
            flag("ceil_mode"),
            flag("count_include_pad"),
            one("divisor_override", "1 or more, or none", _divisor),
            Condition(
                "padding",
                "0; or 1 of 3x3 with stride 2 that counts the padding",
                _averaged,
                f"{CASES}; 1 {SEEN}",
            ),
        ),
    ),
    "aten.max_pool2d_with_indices.default": (
        "self kernel_size stride padding dilation ceil_mode",
        (
            floats("self", (4,)),
            KERNEL,
            STRIDE,
            Condition("padding", "0; or 1 of 3x3 with stride 2", _largest, f"{CASES}; 1 {SEEN}"),
            equal("dilation", (1, 1)),
            equal("ceil_mode", False),
        ),
    ),
    "aten.upsample_nearest2d.vec": (
        "input output_size scale_factors",
        (
            floats("input", (4,)),
            Condition("scale_factors", "to whole multiples of the map", _magnified, CASES),
        ),
    ),
    "aten.convolution.default": (CONVOLUTION_NAMES, CONVOLUTION),
    "et_vk.conv_with_clamp.default": (
        f"{CONVOLUTION_NAMES} output_min output_max",
        (
            *CONVOLUTION,
            bound("output_min"),
            bound("output_max"),
        ),
    ),
}
