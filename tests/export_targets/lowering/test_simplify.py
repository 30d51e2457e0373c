"""What a network of one's own computes of its weights, and words that no target knows."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind
from torch.nn import functional as F

from edge_models.spec import InputSpec
from export_targets.lowering.export import exported
from export_targets.lowering.graph import in_int8, operator_name
from export_targets.target import Lowering, target_named
from quantize.pt2e import quantize
from quantize.recipe import recipe_named

aten = torch.ops.aten
X = torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))


class Worked(nn.Module):
    """Weights that are normalized, standardized and sliced, words for a padding, and a
    concatenation of one: (1, 3, 16, 16) -> (1, 8, 1, 1).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding="same", dilation=2)
        self.normed = nn.utils.parametrizations.weight_norm(nn.Conv2d(16, 16, 1, padding="valid"))
        self.standardized, self.sliced = nn.Conv2d(16, 16, 3), nn.Conv2d(16, 16, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.normed(self.stem(x).relu()).relu()], dim=1)
        weight = self.standardized.weight
        x = F.conv2d(x, weight - weight.mean((1, 2, 3), keepdim=True), padding=1).relu()
        weight, bias = self.sliced.weight, self.sliced.bias
        assert bias is not None
        return F.conv2d(x, weight[:8], bias[:8], padding="same").mean((2, 3), keepdim=True)


class Uneven(nn.Module):
    """A convolution that pads one side more, and a concatenation of one that is returned."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 2, padding="same")

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.convolution(x)])


@pytest.fixture
def worked() -> Worked:
    torch.manual_seed(0)
    return Worked().eval()


def names(program: torch.export.ExportedProgram) -> list[str]:
    return [operator_name(node) for node in program.graph.nodes if node.op == "call_function"]


def test_weights_are_constants_and_a_padding_is_numbers(worked: Worked) -> None:
    program = exported(worked, X)
    assert names(program) == [*("conv2d", "relu") * 3, "conv2d", "mean"]
    assert all(node.target == aten.conv2d.default for node in convolutions(program.graph))
    with torch.no_grad():
        assert torch.equal(program.module()(X), worked(X))


@pytest.mark.parametrize("recipe", ["int8", "int8_dynamic"])
def test_all_of_its_convolutions_compute_in_int8(worked: Worked, recipe: str) -> None:
    quantizer = target_named("xnnpack").quantizer(recipe_named(recipe), ())
    quantized = quantize(exported(worked, X).module(), quantizer, iter([X]), lambda: None)
    assert [in_int8(node) for node in convolutions(quantized.graph)] == [True] * 4


@pytest.mark.parametrize("target", ["xnnpack", "vulkan"])
def test_its_program_is_whole_after_it_was_lowered(
    target: str, worked: Worked, tmp_path: Path
) -> None:
    program = exported(worked, X)
    lowering = Lowering(recipe_named("fp32"), InputSpec(), {}, (), {})
    lowered = target_named(target).lower(program, lowering, tmp_path / "model.pte")
    assert lowered.delegation.whole
    torch.export.save(program, tmp_path / "program.pt2")
    loaded = torch.export.load(tmp_path / "program.pt2").module()
    with torch.no_grad():
        assert torch.equal(loaded(X), worked(X))


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
def test_what_cannot_be_simpler_stays_as_it_is() -> None:
    program = exported(Uneven().eval(), X)
    assert names(program) == ["conv2d", "cat"]
    assert convolutions(program.graph)[0].target == aten.conv2d.padding
    kinds = {spec.kind for spec in program.graph_signature.input_specs}
    assert kinds == {InputKind.PARAMETER, InputKind.USER_INPUT}


def convolutions(graph: torch.fx.Graph) -> list[torch.fx.Node]:
    return [node for node in graph.nodes if operator_name(node).startswith("conv2d")]
