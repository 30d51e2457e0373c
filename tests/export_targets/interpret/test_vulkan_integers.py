"""The INT8 operators of the Vulkan interpreter: by hand, and against quantized graphs lowered."""

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from export_targets.interpret.refusal import RefusedError
from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import Graph
from export_targets.interpret.vk.operators.integers import (
    OPERATORS,
    q8ta_add,
    q8ta_conv2d,
    q8ta_linear,
    quantize,
)
from export_targets.lowering.vulkan.quantizer import quantizer
from quantize.pt2e import quantize as quantize_graph
from quantize.recipe import recipe_named
from tests.export_targets.interpret.test_vulkan_operators import lowered


def of(*numbers: int) -> Tensor:
    return torch.tensor(numbers, dtype=torch.int8)


def test_halves_round_to_the_even_integer_and_the_range_is_a_byte() -> None:
    x = torch.tensor([0.5, 1.5, -0.5, -2.5, 1000.0, -1000.0])
    assert quantize(x, 1.0, 3).tolist() == [3, 5, 3, 1, 127, -128]


def test_a_sum_is_of_the_numbers_that_the_integers_stand_for() -> None:
    # (10 - 2) * 0.5 + 3 * ((4 - 1) * 0.25) = 6.25; 6.25 / 0.125 + 7 = 57
    assert q8ta_add(of(10), of(4), 0.5, 2, 0.25, 1, 0.125, 7, 3.0).tolist() == [57]


LINEAR = (torch.tensor([[1, -2], [3, 4]], dtype=torch.int8), torch.tensor([-1, 7, 0, 0]))


def test_a_linear_takes_the_zero_points_share_from_the_sums() -> None:
    weight, sums = LINEAR
    scales, bias = torch.tensor([0.5, 0.25, 9, 9]), torch.tensor([1.0, -1.0, 9, 9])
    # (5 - 2) * 1 + (3 - 2) * -2 = 1; 1 * 0.1 * 0.5 + 1 = 1.05; 3 * 3 + 4 = 13; 0.325 - 1
    q = of(5, 3).view(1, 2)
    result = q8ta_linear(q, 0.1, 2, weight, sums, scales, 0.025, -4, bias, "none")
    assert result.tolist() == [[38, -31]]
    relu = q8ta_linear(q, 0.1, 2, weight, sums, scales, 0.025, -4, bias, "relu")
    assert relu.tolist() == [[38, -4]]


def test_sums_that_are_not_of_the_weights_are_refused() -> None:
    weight, sums = LINEAR
    arguments = (torch.ones(4), 1.0, 0, None, "none")
    with pytest.raises(RefusedError, match="sums"):
        q8ta_linear(of(5, 3).view(1, 2), 1.0, 0, weight, sums + 1, *arguments)
    with pytest.raises(RefusedError, match="the activation gelu"):
        q8ta_linear(of(5, 3).view(1, 2), 1.0, 0, weight, sums, torch.ones(4), 1.0, 0, None, "gelu")


def test_around_the_map_stands_the_zero_point() -> None:
    weight = torch.ones(1, 12, dtype=torch.int8)  # nine taps, padded to twelve
    weight[0, 9:] = 0
    q = torch.full((1, 1, 2, 2), 5, dtype=torch.int8)
    sums, scales = torch.tensor([9, 0, 0, 0]), torch.ones(4)
    geometry = ([3, 3], [1, 1], [1, 1], [1, 1], 1, "none")
    result = q8ta_conv2d(q, 1.0, 2, weight, sums, scales, 1.0, 0, None, *geometry)
    assert result.flatten().tolist() == [4 * (5 - 2)] * 4


def test_sums_beyond_what_float32_holds_are_exact() -> None:
    half = 2**19
    weight = torch.cat([torch.full((1, half), -127), torch.full((1, half), 126)], 1)
    sums, whole = weight.sum(1), half * 255.0
    q = torch.full((1, 2 * half), 127, dtype=torch.int8)
    scales, bias = torch.ones(1), torch.tensor([whole])
    given = (weight.to(torch.int8), sums, scales, 1.0, 0, bias, "none")
    assert q8ta_linear(q, 1.0, -128, *given).tolist() == [[0]]


@dataclass(frozen=True)
class Quantized:
    """A graph of INT8 operators and its reading from the saved file."""

    eager: torch.fx.GraphModule
    graph: Graph
    sample: Tensor


class Small(nn.Module):
    """Every operator that INT8 runs in."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Conv2d(3, 10, 3, 2, 1)
        self.pointwise = nn.Conv2d(10, 8, 1)
        self.depthwise = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.linear = nn.Linear(8, 12)
        self.of_one_row = nn.Linear(12, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pointwise(torch.relu(self.dense(x)))
        x = self.depthwise(x) + x
        rows = torch.relu(self.linear(x.view(8, -1).permute(1, 0)))
        return torch.cat([self.of_one_row(rows[:1]), rows[:, :6]])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    torch.manual_seed(0)
    samples = torch.randn(4, 1, 3, 16, 12)
    program = torch.export.export(Small().eval().requires_grad_(False), (samples[0],))
    chosen = quantizer(recipe_named("int8"), ())
    eager = quantize_graph(program.module(), chosen, samples, lambda: None)
    path = tmp_path_factory.mktemp("int8") / "model.pte"
    return Quantized(eager, lowered(eager, (samples[0],), path), samples[0])


def test_every_operator_is_there(small: Quantized) -> None:
    assert set(OPERATORS) - {call.operator for call in small.graph.calls} == set()


def test_the_saved_file_computes_what_the_quantized_graph_does(small: Quantized) -> None:
    (found,) = execute(small.graph, [small.sample])
    with torch.no_grad():
        expected = small.eager(small.sample)
    levels = torch.unique(expected)
    step = (levels[1:] - levels[:-1]).min()
    assert (found - expected).abs().max() <= 1.01 * step  # rounded the other way at most
    assert (found != expected).float().mean() < 0.02


def test_no_float_product_is_left_but_the_depthwise_one(small: Quantized) -> None:
    floats = ("aten.convolution.default", "et_vk.conv_with_clamp.default", "aten.linear.default")
    left = [call for call in small.graph.calls if call.operator in floats]
    assert [small.graph.values[call.arguments[8]] for call in left] == [8]  # its groups
