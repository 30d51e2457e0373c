"""XNNPACK's softmax over positions leaves out its maximum exactly where its numbers are small."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

from edge_models.edge.forms.softmax_mean import SoftmaxByPool
from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from edge_models.spec import InputSpec
from export_targets.lowering.graph import operator_name
from export_targets.lowering.xnnpack import lower, quantizer
from export_targets.runners import host
from export_targets.target import Lowering
from quantize.pt2e import quantize
from quantize.recipe import recipe_named

RECIPE = recipe_named("int8")
SIZE = (12, 12)


class Weighted(nn.Module):
    """Values weighed by a softmax of an attention that is so many times a convolution."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.attention, self.value = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1)
        self.softmax_mean = SoftmaxByPool(SIZE)
        with torch.no_grad():
            self.attention.weight.mul_(spread)

    def forward(self, x: Tensor) -> Tensor:
        return self.softmax_mean(self.attention(x), self.value(x)).mean((2, 3))


class Difference(nn.Module):
    """A difference from the largest that no softmax takes out again."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Conv2d(8, 8, 1)
        self.pool = nn.MaxPool2d(SIZE, SIZE)

    def forward(self, x: Tensor) -> Tensor:
        attention = self.attention(x)
        return (attention - self.pool(attention)).mean((2, 3))


def file_of(module: nn.Module, path: Path) -> tuple[list[str], float]:
    """The operators of a module's INT8 file, and how near it is to its quantized graph in dB."""
    images = torch.randn(16, 1, 8, *SIZE, generator=torch.Generator().manual_seed(0))
    graph = torch.export.export(module.eval(), (images[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    quantized = quantize(graph, quantizer(RECIPE, ()), images, lambda: None)
    expected = run_eager(quantized, images)
    program = torch.export.export(quantized, (images[0],))
    found = lower(program, Lowering(RECIPE, InputSpec(), {}, (), {}), path)
    assert found.delegation.delegates == 1
    kept = [operator_name(node) for node in program.graph.nodes]
    assert kept.count("sub") == kept.count("max_pool2d") == 1  # what is stored as the graph
    operators = [operator.operator for operator in found.operators]
    return operators, measure(expected, host.run(path, images, lambda: None)).sqnr_db


@pytest.mark.parametrize(("spread", "pools"), [(1.0, 0), (60.0, 1)])
def test_the_maximum_is_left_out_where_numbers_are_small(
    spread: float, pools: int, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    operators, sqnr_db = file_of(Weighted(spread), tmp_path / "model.pte")
    assert operators.count("max_pool2d") == operators.count("sub") == pools
    assert sqnr_db > 30


def test_a_difference_from_the_largest_stays_elsewhere(tmp_path: Path) -> None:
    torch.manual_seed(0)
    operators, sqnr_db = file_of(Difference(), tmp_path / "model.pte")
    assert operators.count("max_pool2d") == operators.count("sub") == 1
    assert sqnr_db > 30
