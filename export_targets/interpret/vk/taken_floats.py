"""What is known to be taken of operators that compute with floats."""

from export_targets.interpret.vk.conditions import (
    BUFFERS,
    CASES,
    SEEN,
    TESTS,
    Arguments,
    Condition,
    a_float,
    bound,
    constant,
    equal,
    floats,
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


def _batches(given: Arguments) -> bool:
    x, other = a_float(given["self"]), a_float(given["mat2"])
    return len(other.shape) == 3 and other.shape[0] == x.shape[0] and other.dtype == x.dtype


def _affine(argument: str) -> Condition:
    def holds(given: Arguments) -> bool:
        return a_float(given[argument]).shape == shape(given["input"])[-1:]

    evidence = f"{CASES}; without it {SEEN} to abort the process, executorch issue 22504"
    return Condition(argument, "float, of the last axis; never none", holds, evidence)


def _an_image(given: Arguments) -> bool:
    x = a_float(given["input"])
    return len(x.shape) == 4 and x.storage != "BUFFER"


def _of_channels(argument: str) -> Condition:
    def holds(given: Arguments) -> bool:
        tensor = a_float(given[argument])
        return tensor.constant is not None and tensor.shape == shape(given["input"])[1:2]

    return Condition(argument, "constant float, one a channel; never none", holds, CASES)


def _sizes(given: Arguments) -> bool:
    images, channels, height, width = shape(given["input"])
    sizes = tuple(whole(given[name]) for name in ("N", "C", "HxW"))
    return sizes == (images, channels, height * width)


def _divides(given: Arguments) -> bool:
    groups = whole(given["group"])
    return groups >= 1 and shape(given["input"])[1] % groups == 0


def _last(given: Arguments) -> bool:
    return wholes(given["normalized_shape"]) == shape(given["input"])[-1:]


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
            bound("min"),
            bound("max"),
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
    "aten.native_group_norm.default": (
        "input weight bias N C HxW group eps",
        (
            Condition("input", "float, rank 4, an image", _an_image, CASES),
            _of_channels("weight"),
            _of_channels("bias"),
            Condition("N", "with C and HxW the input's sizes", _sizes, CASES),
            Condition("group", "a divisor of C", _divides, CASES),
            number("eps"),
        ),
    ),
    "aten.mean.dim": ("self dim keepdim dtype", (*REDUCTION, equal("dtype", None))),
    "aten.amax.default": ("self dim keepdim", REDUCTION),
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
