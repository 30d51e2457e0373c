"""What is known to be taken of operators that compute with floats."""

from export_targets.interpret.vk.conditions import (
    BUFFERS,
    CASES,
    REGISTRY,
    SEEN,
    TESTS,
    Argument,
    Arguments,
    Condition,
    a_float,
    constant,
    equal,
    flag,
    floats,
    is_number,
    number,
    one,
    shape,
    whole,
    wholes,
)


def _spreads(given: Arguments) -> bool:
    """The second operand is spread over the first, axis by axis, or is a single number."""
    x, other = a_float(given["self"]), a_float(given["other"])
    return other.dtype == x.dtype and (other.shape == () or _covers(x.shape, other.shape))


def _spreads_either(given: Arguments) -> bool:
    """Or the first, a number a channel or a single one, over the second's map."""
    x, other = a_float(given["self"]), a_float(given["other"])
    over_a_map = x.dtype == other.dtype and len(x.shape) == 4 and x.shape[2:] == (1, 1)
    return _spreads(given) or (over_a_map and x.shape[0] == 1 and _covers(other.shape, x.shape))


def _covers(large: tuple[int, ...], small: tuple[int, ...]) -> bool:
    return len(large) == len(small) and all(
        n in (1, size) for size, n in zip(large, small, strict=True)
    )


OPERAND = floats("self", range(1, 5), buffers=6)
SPREAD = "self's type and rank, 1 or self's size in each axis; or one number of rank 0"
SUM = (
    "self other alpha",
    (OPERAND, Condition("other", SPREAD, _spreads, f"{CASES}; rank 0 {SEEN}"), number("alpha")),
)
PRODUCT = (
    "self other",
    (
        OPERAND,
        Condition(
            "other",
            f"{SPREAD}; or a map over which self, (1, C, 1, 1), is spread",
            _spreads_either,
            f"{CASES}; rank 0 and self spread {SEEN}",
        ),
    ),
)
UNARY = ("self", (floats("self", range(1, 5), f"{CASES}, {TESTS}"),))


def _axis(given: Arguments) -> bool:
    """One axis; of rank 4 not the first, and of several images the last."""
    return _one_axis(len(shape(given["self"])), shape(given["self"])[0], wholes(given["dim"]))


def _one_axis(rank: int, images: int, dims: tuple[int, ...]) -> bool:
    (dim,) = dims
    place = dim + rank if dim < 0 else dim
    if rank == 4:
        return place in ((1, 2, 3) if images == 1 else (3,))
    return 0 <= place < rank


def _reduced(given: Arguments) -> bool:
    dims, sizes = wholes(given["dim"]), shape(given["self"])
    if len(dims) == 2:
        return len(sizes) == 4 and {dim % 4 for dim in dims} == {2, 3}
    return _one_axis(len(sizes), sizes[0], dims)


def _kept(given: Arguments) -> bool:
    """Without keepdim only the last axis of a buffer."""
    x = a_float(given["self"])
    rank, dims = len(x.shape), wholes(given["dim"])
    last = dims in ((-1,), (rank - 1,)) and rank in (2, 3) and x.storage in BUFFERS
    return given["keepdim"] is True or last


ONE_AXIS = "one axis; of rank 4 axis 1, 2 or 3, with a batch above 1 axis 3"
REDUCTION = (
    floats("self", range(1, 5)),
    Condition("dim", f"{ONE_AXIS}; or axes 2 and 3 of rank 4", _reduced, f"{CASES}; two {SEEN}"),
    Condition(
        "keepdim", "true; or false over the last axis, rank 2 or 3, in a buffer", _kept, CASES
    ),
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
    return weight[2:] == (3, 3) and weight[1] % 4 == 0 and weight[0] // groups % 4 == 0


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
BOUND = "a number, or none"


def _bound(value: Argument) -> bool:
    return value is None or is_number(value)


def _batches(given: Arguments) -> bool:
    x, other = a_float(given["self"]), a_float(given["mat2"])
    return len(other.shape) == 3 and other.shape[0] == x.shape[0] and other.dtype == x.dtype


def _affine(argument: str) -> Condition:
    def holds(given: Arguments) -> bool:
        return a_float(given[argument]).shape == shape(given["input"])[-1:]

    evidence = f"{CASES}; without it {SEEN} to abort the process, executorch issue 22504"
    return Condition(argument, "float, of the last axis; never none", holds, evidence)


def _last(given: Arguments) -> bool:
    return wholes(given["normalized_shape"]) == shape(given["input"])[-1:]


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
    "aten.add.Tensor": SUM,
    "aten.sub.Tensor": SUM,
    "aten.mul.Tensor": PRODUCT,
    "aten.div.Tensor": PRODUCT,
    "aten.abs.default": UNARY,
    "aten.exp.default": UNARY,
    "aten.rsqrt.default": UNARY,
    "aten.relu.default": UNARY,
    "aten.sigmoid.default": UNARY,
    "aten.gelu.default": (
        "self approximate",
        (
            floats("self", range(1, 5)),
            one(
                "approximate",
                "'tanh', or 'none', which runs as 'tanh'",
                lambda value: value in ("tanh", "none"),
                f"{CASES}; 'none' {SEEN}",
            ),
        ),
    ),
    "aten.clamp.default": (
        "self min max",
        (
            floats("self", range(1, 5), TESTS),
            one("min", BOUND, _bound, TESTS),
            one("max", BOUND, _bound, TESTS),
        ),
    ),
    "aten._softmax.default": (
        "self dim half_to_float",
        (
            floats("self", range(1, 5)),
            Condition("dim", ONE_AXIS, _axis, CASES),
            equal("half_to_float", False),
        ),
    ),
    "aten.native_layer_norm.default": (
        "input normalized_shape weight bias eps",
        (
            floats("input", range(2, 5)),
            Condition("normalized_shape", "the last axis", _last, CASES),
            _affine("weight"),
            _affine("bias"),
            number("eps"),
        ),
    ),
    "aten.mean.dim": ("self dim keepdim dtype", (*REDUCTION, equal("dtype", None))),
    "aten.amax.default": ("self dim keepdim", REDUCTION),
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
            one("output_min", BOUND, _bound, TESTS),
            one("output_max", BOUND, _bound, TESTS),
        ),
    ),
    "aten.linear.default": (
        "input weight bias",
        (floats("input", (2, 3)), constant("weight", 2), constant("bias", 1, optional=True)),
    ),
    "aten.bmm.default": (
        "self mat2",
        (
            floats("self", (3,)),
            Condition("mat2", "self's type, rank 3, as many matrices", _batches, CASES),
        ),
    ),
}
