"""Each operator of the Vulkan interpreter against torch: modules lowered, saved, read and run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import Graph
from export_targets.interpret.vk.operators import OPERATORS
from export_targets.interpret.vk.operators.integers import OPERATORS as INTEGERS
from export_targets.interpret.vk.read import read_delegate
from export_targets.lowering.vulkan.partition import CheckedPartitioner, vulkan_log

MAP, TOKENS = (1, 8, 12, 16), (6, 16)


@dataclass(frozen=True)
class Case:
    """A function of a map (1, 8, 12, 16) or of tokens (6, 16) whose lowering has ``operator``."""

    operator: str
    function: Callable[[Tensor], Tensor]
    shape: tuple[int, ...] = MAP
    tolerance: float = 1e-5


class Weighted(nn.Module):
    """The modules of the cases that have weights."""

    def __init__(self) -> None:
        super().__init__()
        self.strided = nn.Conv2d(8, 12, 3, (2, 1), (1, 2), bias=False)
        self.dilated = nn.Conv2d(8, 8, 3, dilation=2, padding=1)
        self.grouped = nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.clamped = nn.Conv2d(8, 8, 1)
        self.linear = nn.Linear(16, 12)
        self.norm = nn.LayerNorm(16, eps=1e-3)
        self.of_groups = nn.GroupNorm(4, 8, eps=1e-3)
        self.register_buffer("rows", torch.randn(2, 16))


torch.manual_seed(0)
LAYERS = Weighted().eval()
ROWS = LAYERS.get_buffer("rows")

CASES = (
    Case("aten.convolution.default", lambda x: LAYERS.strided(x)),
    Case("aten.convolution.default", lambda x: LAYERS.dilated(x)),
    Case("aten.convolution.default", lambda x: LAYERS.grouped(x)),
    Case("et_vk.conv_with_clamp.default", lambda x: torch.relu(LAYERS.clamped(x))),
    Case("aten.linear.default", lambda x: LAYERS.linear(x), TOKENS),
    Case("aten.native_layer_norm.default", lambda x: LAYERS.norm(x), TOKENS),
    Case("aten.native_group_norm.default", lambda x: LAYERS.of_groups(x)),
    Case("aten.bmm.default", lambda x: torch.bmm(x[0], x[0].transpose(1, 2))),
    Case("aten._softmax.default", lambda x: torch.softmax(x, dim=-1), TOKENS),
    # the runtime's GELU is the tanh form
    Case("aten.gelu.default", lambda x: F.gelu(x, approximate="tanh"), TOKENS),
    Case("aten.gelu.default", lambda x: F.gelu(x), TOKENS, 6e-4),
    Case("aten.mean.dim", lambda x: x.mean(dim=(2, 3), keepdim=True)),
    Case("aten.mean.dim", lambda x: x.mean(-1), TOKENS),
    Case("aten.amax.default", lambda x: torch.amax(x, dim=(2, 3), keepdim=True)),
    Case("aten.avg_pool2d.default", lambda x: F.avg_pool2d(x, 3, 2, 1)),
    Case("aten.avg_pool2d.default", lambda x: F.avg_pool2d(x, (4, 3), 4, 0, True, False)),
    Case("aten.max_pool2d_with_indices.default", lambda x: F.max_pool2d(x, 3, 2, 1)),
    Case("aten.upsample_nearest2d.vec", lambda x: F.interpolate(x, scale_factor=2.0)),
    Case("aten.upsample_nearest2d.vec", lambda x: F.interpolate(x, size=[36, 32])),
    Case("aten.add.Tensor", lambda x: torch.add(x, torch.exp(x), alpha=2)),
    Case("aten.sub.Tensor", lambda x: torch.sub(torch.exp(x), x, alpha=3)),
    Case("aten.mul.Tensor", lambda x: x * torch.sigmoid(x)),
    Case("aten.div.Tensor", lambda x: x / torch.exp(x)),
    Case("aten.abs.default", torch.abs),
    Case("aten.exp.default", torch.exp),
    Case("aten.rsqrt.default", lambda x: torch.rsqrt(torch.exp(x))),
    Case("aten.relu.default", torch.relu),
    Case("aten.sigmoid.default", torch.sigmoid),
    Case("aten.clamp.default", lambda x: torch.clamp(x, -0.5, 0.25)),
    Case("et_vk.prepack.default", lambda x: torch.exp(x) + ROWS[:1], TOKENS),
    Case("aten.cat.default", lambda x: torch.cat([x, ROWS], dim=0), TOKENS),
    Case("aten.cat.default", lambda x: torch.cat([x, torch.exp(x)], dim=1)),
    Case("aten.clone.default", lambda x: F.max_pool2d(x, 2, 2).permute(0, 2, 3, 1)),
    Case("aten.permute_copy.default", lambda x: x.permute(0, 3, 1, 2)),
    Case("aten.view_copy.default", lambda x: x.reshape(8, 3, 64)),
    Case("aten.squeeze_copy.dims", lambda x: torch.exp(x).squeeze(0)),
    Case("aten.unsqueeze_copy.default", lambda x: torch.exp(x).unsqueeze(1), TOKENS),
    Case("aten.expand_copy.default", lambda x: torch.exp(x[:1]).expand(5, 16), TOKENS),
    Case("aten.slice_copy.Tensor", lambda x: x[:, 1:7:2]),
    Case("aten.slice_copy.Tensor", lambda x: x[:, :, 5:]),
    Case("aten.constant_pad_nd.default", lambda x: F.pad(x, (1, 2, 3, 4))),
    Case("aten.select_copy.int", lambda x: torch.exp(x).select(2, 3)),
)


class Together(nn.Module):
    """Every case on one map and one matrix of tokens: one lowering for all."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = LAYERS

    def forward(self, feature_map: Tensor, tokens: Tensor) -> list[Tensor]:
        inputs = {MAP: feature_map, TOKENS: tokens}
        return [case.function(inputs[case.shape]) for case in CASES]


def lowered(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> Graph:
    """A module lowered for Vulkan, saved and read back."""
    from executorch.exir import to_edge_transform_and_lower

    program = torch.export.export(module, inputs)
    with vulkan_log() as log:
        edge = to_edge_transform_and_lower(program, partitioner=[CheckedPartitioner({}, log)])
        path.write_bytes(edge.to_executorch().buffer)
    return read_delegate(path)


@cache
def inputs() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return tuple(torch.randn(shape, generator=generator) for shape in (MAP, TOKENS))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    return lowered(Together().eval(), inputs(), tmp_path_factory.mktemp("lowered") / "model.pte")


@pytest.fixture(scope="module")
def found(graph: Graph) -> list[Tensor]:
    return execute(graph, inputs())


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda n: f"{n}-{CASES[n].operator}")
def test_an_operator_computes_what_torch_computes(number: int, found: list[Tensor]) -> None:
    expected = Together()(*inputs())
    assert len(found) == len(expected)
    tolerance = CASES[number].tolerance
    torch.testing.assert_close(found[number], expected[number], rtol=tolerance, atol=tolerance)


def test_every_case_has_its_operator(graph: Graph) -> None:
    assert {case.operator for case in CASES} - {call.operator for call in graph.calls} == set()


def test_no_operator_is_untested() -> None:
    assert {case.operator for case in CASES} == set(OPERATORS) - set(INTEGERS)


def test_gelu_is_the_tanh_form_also_where_the_exact_one_was_asked_for(found: list[Tensor]) -> None:
    tanh, exact = (number for number, case in enumerate(CASES) if "gelu" in case.operator)
    assert torch.equal(found[tanh], found[exact])
    assert not torch.equal(found[exact], F.gelu(inputs()[1]))
