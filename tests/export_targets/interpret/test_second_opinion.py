"""The interpreter of Core ML beside coremltools' own semantics, on the operands of saved files."""

import inspect
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from export_targets.artifact.folder import open_artifact
from export_targets.interpret import vulkan
from export_targets.interpret.mil.execute import execute
from export_targets.interpret.mil.operators import OPERATORS
from export_targets.interpret.mil.program import Operation
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.mil.types import TensorType, Value
from export_targets.interpret.vk.operators import OPERATORS as VULKAN_OPERATORS
from export_targets.interpret.vk.read import read_delegate
from tests.conftest import Built
from tests.daily import daily
from tests.export_targets.interpret.second_opinion import has_semantics, opinion

MODELS = ("digits_cotnet_simple", "digits_cotnet", "digits_conformer")
EVERY_DAY = [
    ("digits_cotnet", "fp16"),
    ("digits_conformer", "fp16"),
    ("digits_conformer", "int8"),
    ("digits_conformer", "palettized_4bit"),
]
PACKAGES = [
    *((model, recipe) for model in MODELS for recipe in ("fp32", "fp16", "int8")),
    *(
        ("digits_conformer", recipe)
        for recipe in ("int8_weight_only", "palettized_6bit", "palettized_4bit")
    ),
]
# Kinds of which coremltools has no semantics, and what else checks them.
ELSEWHERE = {
    **dict.fromkeys(
        ("conv", "avg_pool", "max_pool", "batch_norm", "silu", "upsample_nearest_neighbor"),
        "cases.py",  # converted from torch, against torch
    ),
    "classify": "test_built_operators.py",  # by its definition
}
IN_ANOTHER_ORDER = 5e-6  # of the largest number: a mean of a map's sums, measured 2.9e-6
HALF_A_STEP, HALF_OF_SUBNORMAL = 2.0**-11, 2.0**-25  # what storing as float16 may change


def differs(result: Tensor, other: Tensor, declared: TensorType | None) -> bool:
    """Whether a result is another one than storing it, or summing in another order, makes of it."""
    if result.shape != other.shape or result.is_floating_point() != other.is_floating_point():
        return True
    if not result.is_floating_point():
        return not torch.equal(result.long(), other.long())
    result, other = result.double(), other.double()
    may = IN_ANOTHER_ORDER * other.abs().max()
    if declared is not None and declared.dtype == "FLOAT16":
        may = may + HALF_A_STEP * other.abs() + HALF_OF_SUBNORMAL
    return bool(((result - other).abs() > may).any())


def compared(path: Path, sample: Tensor) -> tuple[Counter[str], set[str]]:
    """How often each kind of operator was compared in one inference, and the kinds that differ."""
    program = read_package(path)
    values: dict[str, Value] = {**program.constants, program.inputs[0].name: sample}
    counts, different = Counter[str](), set[str]()

    def observe(operation: Operation, results: tuple[Value, ...]) -> None:
        if has_semantics(operation.type):
            others = opinion(operation, values)
            for (_, declared), result, other in zip(
                operation.results, results, others, strict=True
            ):
                assert isinstance(result, Tensor)
                counts[operation.type] += 1
                if differs(result, other, declared):
                    different.add(operation.type)
        values.update(zip((name for name, _ in operation.results), results, strict=True))

    execute(program, {program.inputs[0].name: sample}, observe=observe)
    return counts, different


@pytest.mark.parametrize(("model", "recipe"), daily(PACKAGES, EVERY_DAY))
def test_every_operator_computes_what_coremltools_says(
    model: str, recipe: str, built: Built
) -> None:
    opened = open_artifact(built(model, "coreml", recipe).folder)
    counts, different = compared(opened.model, opened.inputs()[0])
    assert different == set()
    others = set(read_package(opened.model).inventory) - set(counts)
    assert others <= set(ELSEWHERE)
    assert len(counts) >= 12


def test_what_coremltools_does_not_say_is_checked_elsewhere() -> None:
    for kind, file in ELSEWHERE.items():
        assert not has_semantics(kind)
        assert f'"{kind}"' in Path(__file__).with_name(file).read_text(encoding="utf-8")


# Each changes its operator's results.
WRONG: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": lambda result: result + 2e-3 * result.abs().max(),
    "softmax": lambda result: result * 1.001,
    "slice_by_index": lambda result: result.flip(-1),
    "quantize": lambda result: result ^ 1,
    "constexpr_affine_dequantize": lambda result: result * 1.001,
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_operator_is_seen(kind: str, built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = open_artifact(built("digits_conformer", "coreml", "int8").folder)
    wrong, right = WRONG[kind], OPERATORS[kind]

    def changed(**given: Value) -> Tensor:
        return wrong(right(**given))

    changed.__signature__ = inspect.signature(right)  # type: ignore[attr-defined]
    monkeypatch.setitem(OPERATORS, kind, changed)
    assert compared(opened.model, opened.inputs()[0])[1] == {kind}


VULKAN = {
    "int8": {"et_vk.q8ta_add.default", "et_vk.q8ta_conv2d.default", "et_vk.q8ta_conv2d_pw.default"},
    "fp16": {"et_vk.conv_with_clamp.default"},
}
MOST_ANOTHER_STEP = 0.001  # of a result: its float sum is nearer to the other integer


@pytest.mark.parametrize(
    ("model", "recipe"),
    daily(product(MODELS, VULKAN), [("digits_cotnet", "int8")]),
)
def test_every_operator_of_vulkans_own_computes_what_executorch_says(
    model: str, recipe: str, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executorch.backends.vulkan import custom_ops_lib  # noqa: F401  registers the operators

    opened = open_artifact(built(model, "vulkan", recipe).folder)
    counts = Counter[str]()

    def beside(name: str, ours: Callable[..., Tensor], theirs: Callable[..., Tensor]) -> None:
        def both(*arguments: Any) -> Tensor:
            result = ours(*arguments)
            other = theirs(*as_executorch_takes_it(name, arguments))
            counts[name] += 1
            away = (result.double() - other.double()).abs()
            if result.is_floating_point():
                assert away.max() <= IN_ANOTHER_ORDER * other.abs().max(), name
            else:
                assert away.max() <= 1, name
                assert (away > 0).double().mean() <= MOST_ANOTHER_STEP, name
            return result

        monkeypatch.setitem(VULKAN_OPERATORS, name, both)

    for name, ours in list(VULKAN_OPERATORS.items()):
        if name.startswith("et_vk."):
            beside(name, ours, getattr(torch.ops.et_vk, name.split(".")[1]).default)
    vulkan.run(read_delegate(opened.model), opened.inputs()[0])
    assert set(counts) >= VULKAN[recipe]


def as_executorch_takes_it(name: str, arguments: tuple[Any, ...]) -> list[Any]:
    """A clamp's bound that is none comes as a whole number beyond float32. ExecuTorch packs the
    weights of a convolution row by row of the window with the inputs last, and its own eager
    operator reads them with the inputs first; it pads a linear's scales, and reads them unpadded.
    """
    given = [float("inf") if isinstance(a, int) and a >= 2**63 else a for a in arguments]
    if name == "et_vk.q8ta_conv2d.default":
        q, weight, (rows, columns), groups = given[0], given[3], given[9], given[13]
        inputs = q.shape[1] // groups
        shaped = weight[:, : rows * columns * inputs].view(len(weight), rows, columns, inputs)
        given[3] = shaped.permute(0, 3, 1, 2).flatten(1).contiguous()
    if "q8ta_linear" in name:
        given[5] = given[5][: len(given[3])]
    return given
