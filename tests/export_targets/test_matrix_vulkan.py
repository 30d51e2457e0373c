from dataclasses import replace
from itertools import product

import pytest
import torch

from edge_models.parity import Metrics, measure
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.interpret.vk.graph import Graph, TensorValue
from export_targets.interpret.vk.read import read_delegate
from export_targets.interpret.vk.rounding import Rounding
from export_targets.interpret.vulkan import run
from tests.benchmarks.vulkan import float16_ranges
from tests.conftest import Built
from tests.daily import daily
from tests.export_targets.matrix import Matrix

LARGEST = 65_504 / 8  # what float16 holds, with room for images and weights not tried here
IMAGES = 2
MODELS = ("digits_cotnet_simple", "digits_conformer", "digits_cotnet")
RECIPES = ("fp32", "fp16", "int8")


class TestVulkan(Matrix):
    target = "vulkan"
    others = (("digits_cotnet_simple", "fp16"), ("digits_cotnet", "int8"))


@pytest.mark.parametrize("model", daily(MODELS, ["digits_conformer"]))
def test_float16_holds_every_result_with_any_weight_scaled_up(model: str, built: Built) -> None:
    opened = open_artifact(built(model, "vulkan", "fp16").folder)
    reached = float16_ranges(read_delegate(opened.model), opened.inputs()[:IMAGES, 0])
    assert len(reached) > 8
    for row in reached:
        assert 0 < row.largest < LARGEST, row.operator
        assert 0 < row.largest_scaled < LARGEST, row.operator


def test_a_float16_file_is_half_as_large(built: Built) -> None:
    sizes = [
        (built("digits_conformer", "vulkan", recipe).folder / "model.pte").stat().st_size
        for recipe in ("fp32", "fp16")
    ]
    assert sizes[0] / sizes[1] > 1.7  # the calls themselves are of the same size in both


ROUNDED = {
    "not square, both heads": ("digits_conformer", {"size": (64, 96), "heads": "both"}),
    "not square": ("digits_cotnet_simple", {"size": (96, 64)}),
    "the official layer": ("digits_cotnet", {}),
}


@pytest.mark.parametrize("name", daily(ROUNDED, ["not square, both heads"]))
def test_a_float16_file_holds_its_gate_in_each_way_to_round(name: str, built: Built) -> None:
    model, options = ROUNDED[name]
    result = built(model, "vulkan", "fp16", **options)
    assert result.problems == ()
    assert result.parity is not None
    hops = {hop.name: hop for hop in result.parity.hops}
    reached = [hops[way].sqnr_db for way in ("lower", "toward_zero", "flushed")]
    assert all(decibels is not None and decibels > 40 for decibels in reached)
    assert reached[1] != reached[0]
    assert hops["toward_zero"].runner == "interpreter_toward_zero"


def test_the_official_layer_in_int8_does_not_depend_on_how_float16_is_rounded(
    built: Built,
) -> None:
    opened = open_artifact(built("digits_cotnet", "vulkan", "int8").folder)
    graph, sample = read_delegate(opened.model), opened.inputs()[0]
    assert torch.equal(run(graph, sample, "nearest"), run(graph, sample, "toward zero"))
    assert opened.manifest.delegation.dispatches == len(graph.calls)


@pytest.mark.full
@pytest.mark.parametrize("model", ["digits_cotnet_simple", "digits_conformer"])
def test_an_input_that_is_not_square_is_one_delegate_within_its_gates(
    model: str, built: Built
) -> None:
    result = built(model, "vulkan", "int8", size=(64, 96))
    assert result.manifest.input.shape == (1, 3, 64, 96)
    assert result.manifest.delegation.whole
    assert result.problems == ()


def reached(opened: Artifact, graph: Graph, rounding: Rounding) -> Metrics:
    """What an app's self-test says of another implementation's logits."""
    logits = torch.stack([run(graph, sample, rounding) for sample in opened.inputs()])
    return measure(opened.logits("file")[:, 0], logits[:, 0])


def with_swapped_channels(graph: Graph) -> Graph:
    """The first convolution with two of its outputs exchanged: weights, sums, scales and bias."""
    values = list(graph.values)
    number = next(call.arguments for call in graph.calls if "conv" in call.operator)
    for place in number:
        value = values[place]
        if isinstance(value, TensorValue) and value.constant is not None:
            order = [1, 0, *range(2, value.shape[0])]
            values[place] = replace(value, constant=value.constant[order])
    return replace(graph, values=tuple(values))


@pytest.mark.parametrize(
    ("model", "recipe"),
    daily(
        product(("digits_conformer", "digits_cotnet"), RECIPES),
        [*product(("digits_conformer",), RECIPES), ("digits_cotnet", "int8")],
    ),
)
def test_the_self_tests_mark_takes_another_rounding_and_no_wrong_file(
    model: str, recipe: str, built: Built
) -> None:
    opened = open_artifact(built(model, "vulkan", recipe).folder)
    mark, graph = opened.manifest.selftest, read_delegate(opened.model)
    other = reached(opened, graph, "toward zero")
    assert other.sqnr_db >= mark.sqnr_db
    assert other.top1_agreement >= mark.top1
    assert reached(opened, with_swapped_channels(graph), "nearest").sqnr_db < mark.sqnr_db
