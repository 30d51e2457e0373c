"""What is known to be taken of operators that only move numbers."""

from export_targets.interpret.vk.conditions import (
    BUFFERS,
    CASES,
    SEEN,
    TESTS,
    Argument,
    Arguments,
    Condition,
    a_float,
    a_tensor,
    equal,
    floats,
    number,
    one,
    shape,
    whole,
    wholes,
)
from export_targets.interpret.vk.graph import TensorValue

LARGEST_CAT = 9  # inputs
BOTH_ENDS = (2, 4, 6)  # numbers of a padding


def _place(given: Arguments) -> bool:
    return 0 <= whole(given["dim"]) < len(shape(given["self"]))


def _axis_from_either_end(given: Arguments) -> bool:
    rank = len(shape(given["self"]))
    return -rank <= whole(given["dim"]) < rank


def _index(given: Arguments) -> bool:
    size = shape(given["self"])[whole(given["dim"])]
    return -size <= whole(given["index"]) < size


def _new_axis(given: Arguments) -> bool:
    rank = len(shape(given["self"]))
    return -rank - 1 <= whole(given["dim"]) <= rank


def _order(given: Arguments) -> bool:
    return sorted(wholes(given["dims"])) == list(range(len(shape(given["self"]))))


def _sizes(given: Arguments) -> bool:
    given_sizes = given["size"]
    sizes = wholes(given_sizes)
    return (
        isinstance(given_sizes, tuple)
        and 0 < len(sizes) <= 5
        and sizes.count(-1) <= 1
        and all(n > 0 or n == -1 for n in sizes)
    )


def _held_axes(given: Arguments) -> bool:
    rank = len(shape(given["self"]))
    dims = wholes(given["dim"])
    return bool(dims) and all(0 <= dim < rank for dim in dims)


def _expanded(given: Arguments) -> bool:
    sizes, held = wholes(given["size"]), shape(given["self"])
    pairs = zip(sizes[::-1], held[::-1], strict=False)
    return len(held) <= len(sizes) <= 4 and all(n > 0 and old in (1, n) for n, old in pairs)


def _parts(given: Arguments) -> bool:
    parts = [a_float(part) for part in _tensors(given["tensors"])]
    first = parts[0]
    return len(parts) <= LARGEST_CAT and all(
        part.dtype == first.dtype and 1 <= len(part.shape) == len(first.shape) <= 4
        for part in parts
    )


def _tensors(value: Argument) -> list[TensorValue]:
    if not isinstance(value, tuple):
        raise TypeError("no list")
    return [a_tensor(part) for part in value]


def _joined(given: Arguments) -> bool:
    return 0 <= whole(given["dim"]) < len(_tensors(given["tensors"])[0].shape)


def _padding(given: Arguments) -> bool:
    pad = wholes(given["pad"])
    return len(pad) in BOTH_ENDS and len(pad) <= 2 * len(shape(given["self"])) and min(pad) > 0


def _float_or_bytes(value: Argument) -> bool:
    """A float tensor; of INT8 a map in the packed buffer of a convolution."""
    tensor = a_tensor(value)
    rank, kind = len(tensor.shape), str(tensor.dtype)
    if kind == "torch.int8":
        return rank == 4
    a_float(value)
    return 1 <= rank <= 4 or (4 < rank <= 6 and tensor.storage in BUFFERS)


def _ends(value: Argument) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool))


AXIS = Condition("dim", "an axis, from the first or the last", _axis_from_either_end, CASES)
TABLE: dict[str, tuple[str, tuple[Condition, ...]]] = {
    "et_vk.prepack.default": (
        "self",
        (
            floats("self", range(5), SEEN),
            one("self", "a constant", lambda value: a_float(value).constant is not None, SEEN),
        ),
    ),
    "aten.clone.default": (
        "self memory_format",
        (
            one(
                "self",
                "float, rank 1 to 4, to 6 in buffers; int8, rank 4",
                _float_or_bytes,
                f"{CASES}; int8 {SEEN}",
            ),
            equal("memory_format", None),
        ),
    ),
    "aten.view_copy.default": (
        "self size",
        (
            floats("self", range(2, 5), f"{CASES}; rank 2 {SEEN}", buffers=6),
            Condition("size", "1 to 5 sizes, one of them perhaps -1", _sizes, CASES),
        ),
    ),
    "aten.permute_copy.default": (
        "self dims",
        (
            floats("self", range(2, 5), f"{CASES}; buffers {SEEN}", buffers=6),
            Condition("dims", "each axis once, none negative", _order, CASES),
        ),
    ),
    "aten.squeeze_copy.dims": (
        "self dim",
        (
            floats("self", (3, 4), buffers=6),
            Condition("dim", "axes, none negative", _held_axes, CASES),
        ),
    ),
    "aten.unsqueeze_copy.default": (
        "self dim",
        (
            floats("self", range(1, 5), buffers=5),
            Condition("dim", "a new axis's place, from the first or the last", _new_axis, CASES),
        ),
    ),
    "aten.expand_copy.default": (
        "self size implicit",
        (
            floats("self", range(1, 5)),
            Condition("size", "1 to 4 sizes, none -1", _expanded, CASES),
            equal("implicit", False),
        ),
    ),
    "aten.slice_copy.Tensor": (
        "self dim start end step",
        (
            floats("self", range(2, 5), f"{CASES}; buffers {SEEN}", buffers=5),
            AXIS,
            one("start", "a place, negative from the end, or none", _ends),
            one("end", "a place, negative from the end, or none", _ends),
            one("step", "1 or more", lambda value: whole(value) >= 1),
        ),
    ),
    "aten.select_copy.int": (
        "self dim index",
        (
            floats("self", (3, 4)),
            Condition("dim", "an axis, not negative", _place, CASES),
            Condition("index", "a place, negative from the end", _index, CASES),
        ),
    ),
    "aten.cat.default": (
        "tensors dim",
        (
            Condition("tensors", "1 to 9 floats of a type and a rank, 1 to 4", _parts, CASES),
            Condition("dim", "an axis, not negative", _joined, f"{CASES}, {TESTS}"),
        ),
    ),
    "aten.constant_pad_nd.default": (
        "self pad value",
        (
            floats("self", range(2, 5)),
            Condition("pad", "2, 4 or 6 numbers, 1 or more each", _padding, CASES),
            number("value"),
        ),
    ),
}
