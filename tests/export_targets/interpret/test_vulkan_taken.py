"""The table of what the Vulkan runtime is known to take, against ExecuTorch's own test cases."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from export_targets.interpret.refusal import RefusedError
from export_targets.interpret.vk.conditions import CASES, REGISTRY, SEEN, TESTS, Argument
from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import Call, Graph, TensorValue
from export_targets.interpret.vk.operators import OPERATORS
from export_targets.interpret.vk.taken import TAKEN, untaken
from tests.export_targets.interpret.published_cases import Published, published_cases
from tests.export_targets.vulkan_table import PAGE, with_table

Named = Mapping[str, Argument]


def rank(named: Named, argument: str = "self") -> int:
    value = named.get(argument)
    return len(value.shape) if isinstance(value, TensorValue) else -1


# What is published, and refused all the same.
LEFT_OUT: dict[str, Callable[[Published], bool]] = {
    "a convolution along one axis: the interpreter computes maps": lambda case: (
        "convolution" in case.operator and rank(case.named) == 3
    ),
    "a transposed convolution: the interpreter has none": lambda case: (
        case.named.get("transposed") is True
    ),
    "a depthwise convolution of another stride: seen to be wrong": lambda case: (
        "convolution" in case.operator
        and case.named["groups"] == case.named["self"].shape[1]  # type: ignore[union-attr]
        and case.named["stride"] != case.named["dilation"]
    ),
    "upsampling to no whole multiple": lambda case: case.named.get("output_size") == (3, 2),
}


@cache
def cases() -> tuple[Published, ...]:
    return tuple(published_cases())


def test_what_executorch_tests_is_taken_but_for_what_is_named() -> None:
    assert len(cases()) > 500
    refused = [case for case in cases() if untaken(case.operator, case.given)]
    reasons = [[why for why, holds in LEFT_OUT.items() if holds(case)] for case in refused]
    unexplained = [str(case) for case, why in zip(refused, reasons, strict=True) if not why]
    assert unexplained == []
    assert {why for found in reasons for why in found} == set(LEFT_OUT)


def test_the_table_has_every_operator_of_the_interpreter_and_no_other() -> None:
    assert set(TAKEN) == set(OPERATORS)


def test_each_condition_says_what_is_taken_and_how_it_is_known() -> None:
    for operator, taken in TAKEN.items():
        assert {condition.argument for condition in taken.conditions} <= set(taken.arguments)
        for condition in taken.conditions:
            assert condition.taken, operator
            assert condition.evidence.startswith((CASES, TESTS, REGISTRY, SEEN)), operator


# --- around the boundary ---------------------------------------------------------------------

# What was seen on the runtime beyond the published cases: operator, argument, the kind of value.
BEYOND: dict[tuple[str, str], set[object]] = {
    ("aten.mul.Tensor", "other"): {"a number", "self over a map"},
    ("aten.div.Tensor", "other"): {"a number", "self over a map"},
    ("aten.add.Tensor", "other"): {"a number"},
    ("aten.sub.Tensor", "other"): {"a number"},
    ("aten.avg_pool2d.default", "self"): {4},
    ("aten.avg_pool2d.default", "padding"): {"of 3x3"},
    ("aten.max_pool2d_with_indices.default", "padding"): {"of 3x3"},
    ("aten.gelu.default", "approximate"): {"none"},
    ("aten.mean.dim", "dim"): {"height and width"},
    ("aten.amax.default", "dim"): {"height and width"},
    ("aten.permute_copy.default", "self"): {"buffer 5", "buffer 6"},
    ("aten.permute_copy.default", "dims"): {5, 6},
    ("aten.slice_copy.Tensor", "self"): {"buffer 5"},
    ("aten.squeeze_copy.dims", "self"): {"buffer 5"},
    ("aten.clone.default", "self"): {"torch.int8"},
    ("aten.view_copy.default", "self"): {2},
    ("aten.convolution.default", "groups"): {"whole texels"},
}


def kind(operator: str, argument: str, named: Named) -> object:
    """What makes an argument another case: ranks, signs, counts, presence; not sizes."""
    value = named[argument]
    special = SPECIAL.get((operator.split(".")[1], argument))
    if special is not None:
        return special(named)
    if isinstance(value, TensorValue):
        if value.dtype not in (torch.float32, torch.float16):
            return str(value.dtype)
        high = len(value.shape) > 4
        return f"{value.storage.lower()} {len(value.shape)}" if high else len(value.shape)
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if argument == "dim" and isinstance(value, tuple) and len(value) == 1:
        (value,) = value  # a list of one axis is written as one number too
        assert isinstance(value, int)
    if argument in ("size", "dims") and isinstance(value, int | float):
        value = (value,)
    if isinstance(value, tuple):
        return len(value)
    return "negative" if value < 0 and argument not in NUMBERS else "a number"


NUMBERS = ("alpha", "value", "eps")  # whose sign changes nothing


def spread(named: Named) -> object:
    x, other = named["self"], named["other"]
    assert isinstance(x, TensorValue)
    if not isinstance(other, TensorValue) or other.dtype != x.dtype:
        return "of another type"
    if other.shape == ():
        return "a number"
    if len(other.shape) != len(x.shape):
        return "of another rank"
    pairs = [*zip(x.shape, other.shape, strict=True)]
    if all(small in (1, large) for large, small in pairs):
        return "spread" if len(x.shape) <= 4 else "spread in a buffer"
    over = all(small in (1, large) for small, large in pairs)
    return "self over a map" if over and x.shape[2:] == (1, 1) and x.shape[0] == 1 else "both"


def axis(named: Named) -> object:
    x = named["self"]
    assert isinstance(x, TensorValue)
    given = named["dim"] if isinstance(named["dim"], tuple) else (named["dim"],)
    # a whole number that is written as a float is one
    dims = [int(dim) if isinstance(dim, float) and dim.is_integer() else dim for dim in given]
    size = len(x.shape)
    if not size or not all(isinstance(dim, int) and -size <= dim < size for dim in dims):
        return "no axis"
    places = sorted(dim % size for dim in dims)  # type: ignore[operator]
    if len(places) > 1:
        return "height and width" if (size, places) == (4, [2, 3]) else "several"
    return size, places[0], size == 4 and x.shape[0] > 1


def keepdim(named: Named) -> object:
    x, place = named["self"], axis(named)
    assert isinstance(x, TensorValue)
    if named["keepdim"] is True:
        return True
    size = len(x.shape)
    return (
        "last of a buffer" if (place, x.storage) == ((size, size - 1, False), "BUFFER") else False
    )


def window(named: Named) -> object:
    plain = named.get("ceil_mode") is False and named.get("count_include_pad", True) is True
    shape = (named["kernel_size"], named["stride"], named["padding"])
    if named["padding"] == (0, 0):
        return "none"
    return "of 3x3" if shape == ((3, 3), (2, 2), (1, 1)) and plain else "padded"


def groups(named: Named) -> object:
    x, weight, count = named["self"], named["weight"], named["groups"]
    if not isinstance(x, TensorValue) or not isinstance(weight, TensorValue) or len(x.shape) != 4:
        return "no map"
    if count == 1:
        return "dense"
    if count == x.shape[1]:
        return "depthwise"
    assert isinstance(count, int)
    texels = weight.shape[1] % 4 == 0 and count > 0 and weight.shape[0] // count % 4 == 0
    return "whole texels" if texels and weight.shape[2:] == (3, 3) else "others"


SPECIAL: dict[tuple[str, str], Callable[[Named], object]] = {
    **{(name, "other"): spread for name in ("add", "sub", "mul", "div")},
    **{(name, "dim"): axis for name in ("_softmax", "mean", "amax")},
    **{(name, "keepdim"): keepdim for name in ("mean", "amax")},
    ("avg_pool2d", "padding"): window,
    ("max_pool2d_with_indices", "padding"): window,
    ("convolution", "groups"): groups,
    ("conv_with_clamp", "groups"): groups,
}


@cache
def known() -> dict[tuple[str, str], set[object]]:
    """The kinds of each argument that are published or were seen."""
    found = {place: set(kinds) for place, kinds in BEYOND.items()}
    for case in cases():
        for argument in case.named:
            kinds = found.setdefault((case.operator, argument), set())
            kinds.add(kind(case.operator, argument, case.named))
    return found


SIZES = st.lists(st.integers(1, 5), max_size=7).map(tuple)
TENSORS = st.builds(
    TensorValue,
    st.sampled_from((torch.float32, torch.float16, torch.int8, torch.int32)),
    SIZES,
    st.sampled_from((None, torch.empty(0))),
    st.sampled_from(("TEXTURE_3D", "BUFFER")),
)
OTHERS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-7, 7),
    st.floats(-2, 2),
    st.sampled_from(("none", "tanh", "relu")),
    st.lists(st.integers(-5, 9), max_size=7).map(tuple),
    st.sampled_from(((1, 1), (2, 2), (0, 0), (3, 3), (-1, -2), (2, 3), (0, 1), (3,))),
)


@st.composite
def changed_cases(draw: st.DrawFn) -> Published:
    """A published case, taken or not, with one argument changed."""
    case = draw(st.sampled_from(cases()))
    place = draw(st.integers(0, len(case.given) - 1))
    old = case.given[place]
    if isinstance(old, TensorValue):
        shape = list(old.shape)
        near = [[*shape, 1], shape[1:], [1, *shape], [2, *shape[1:]], [1] * len(shape)]
        new: Argument = draw(
            TENSORS | st.sampled_from(near).map(lambda sizes: replace(old, shape=tuple(sizes)))
        )
    else:
        new = draw(OTHERS)
    return replace(case, given=(*case.given[:place], new, *case.given[place + 1 :]))


@given(changed_cases())
def test_what_is_taken_has_its_evidence_argument_by_argument(case: Published) -> None:
    why = untaken(case.operator, case.given)
    if why:
        assert any(why.startswith(f"has {name} = ") for name in case.named)
        return
    for argument in case.named:
        found = kind(case.operator, argument, case.named)
        assert found in known()[case.operator, argument], (str(case), argument, found)


def test_a_call_outside_is_refused_before_anything_is_computed() -> None:
    values = (TensorValue(torch.float32, (1, 2, 3, 4, 5)), TensorValue(torch.float32, (1,) * 5))
    graph = Graph((*values, values[0]), (Call("aten.relu.default", (0,), 2),), (0,), (2,))
    with pytest.raises(
        RefusedError, match=r"call 0, aten\.relu\.default, has self = float32 \(1, 2"
    ):
        execute(graph, [])


# --- INT8, of which nothing is published ------------------------------------------------------

MAP, ROWS = (TensorValue(torch.int8, shape) for shape in ((1, 8, 4, 4), (3, 8)))
FLOATS, HELD = TensorValue(torch.float32, (3, 8)), torch.empty(0)
SUMS, SCALES = (TensorValue(dtype, (8,), HELD) for dtype in (torch.int32, torch.float32))
OF_WEIGHTS = (0.1, 3, TensorValue(torch.int8, (8, 8), HELD), SUMS, SCALES, 0.2, -4, SCALES)
WINDOW = ((1, 1), (1, 1), (0, 0), (1, 1), 1)
GROUPED = ((3, 3), (1, 1), (1, 1), (1, 1), 2)
RIGHT: dict[str, tuple[Argument, ...]] = {
    "quantized_decomposed.quantize_per_tensor.default": (FLOATS, 0.1, 3, -128, 127, None),
    "quantized_decomposed.dequantize_per_tensor.default": (MAP, 0.1, 3, -128, 127, None, None),
    "et_vk.q8ta_add.default": (MAP, MAP, 0.1, 3, 0.2, 4, 0.3, 5, 1),
    "et_vk.q8ta_linear.default": (ROWS, *OF_WEIGHTS, "none"),
    "et_vk.q8ta_linear_gemv.default": (replace(ROWS, shape=(1, 8)), *OF_WEIGHTS, "none"),
    "et_vk.q8ta_conv2d.default": (MAP, *OF_WEIGHTS, *GROUPED, "none"),
    "et_vk.q8ta_conv2d_pw.default": (MAP, *OF_WEIGHTS, *WINDOW, "none"),
}
OFF: tuple[tuple[str, str, Argument], ...] = (
    ("quantize_per_tensor", "input", TensorValue(torch.float32, (2, 3, 8))),
    ("quantize_per_tensor", "quant_min", 0),
    ("dequantize_per_tensor", "input", TensorValue(torch.int8, (3,))),
    ("dequantize_per_tensor", "scale", 0.0),
    ("q8ta_add", "alpha", 2),
    ("q8ta_add", "input_b", TensorValue(torch.int8, (1, 8, 1, 1))),
    ("q8ta_add", "output_zero_point", 128),
    ("q8ta_linear", "x", TensorValue(torch.int8, (2, 3, 8))),
    ("q8ta_linear", "weights", TensorValue(torch.int8, (8, 8))),
    ("q8ta_linear", "activation", "relu"),
    ("q8ta_linear_gemv", "x", ROWS),
    ("q8ta_conv2d", "x", TensorValue(torch.int8, (2, 8, 4, 4))),
    ("q8ta_conv2d", "groups", 8),
    ("q8ta_conv2d", "groups", 4),
    ("q8ta_conv2d", "bias", TensorValue(torch.float32, (8,))),
    ("q8ta_conv2d_pw", "kernel_size", (3, 3)),
)


@pytest.mark.parametrize("operator", RIGHT)
def test_what_was_seen_of_an_int8_operator_is_taken(operator: str) -> None:
    assert untaken(operator, RIGHT[operator]) == ""


def test_every_int8_operator_is_tried() -> None:
    assert set(RIGHT) == {name for name in TAKEN if "quantized" in name or "q8ta" in name}
    assert {name for name, _, _ in OFF} == {name.split(".")[1] for name in RIGHT}


@pytest.mark.parametrize(("name", "argument", "value"), OFF)
def test_an_int8_operator_is_refused_with(name: str, argument: str, value: Argument) -> None:
    (operator,) = (known for known in RIGHT if known.split(".")[1] == name)
    place = TAKEN[operator].arguments.index(argument)
    right = RIGHT[operator]
    why = untaken(operator, (*right[:place], value, *right[place + 1 :]))
    assert why.startswith(f"has {argument} = ")


def test_the_page_shows_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_table(page), "run python -m tests.export_targets.vulkan_table"
