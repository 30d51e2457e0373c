"""Products of two activations in INT8, and copies, on XNNPACK's own runtime."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, fx, nn

from edge_models.edge.folding import Affine
from edge_models.edge.forms.attention import AttentionBatched
from edge_models.edge.forms.upsampling import UpsamplingByCopies
from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from edge_models.spec import FloatRule, InputSpec
from export_targets.lowering.graph import in_int8, operator_name
from export_targets.lowering.xnnpack import lower, quantizer
from export_targets.runners import host
from export_targets.target import Lowering
from quantize.pt2e import quantize
from quantize.recipe import Recipe, recipe_named

INT8, MIXED = recipe_named("int8"), recipe_named("int8_mixed")


class Attention(nn.Module):
    """Of (B, N, 32) tokens, four heads; its values come from a linear, its keys from a product."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.value, self.proj = (nn.Linear(32, 32) for _ in range(4))
        self.heads = AttentionBatched(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(self.heads(self.query(x), self.key(x) * 1.0, self.value(x))) + x


class Fixed(nn.Module):
    """A product with a constant."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(32, 32)
        self.register_buffer("constant", torch.randn(1, 32, 8))

    def forward(self, x: Tensor) -> Tensor:
        return torch.bmm(self.linear(x), self.get_buffer("constant")) + 1.0


@pytest.fixture
def tokens() -> Tensor:
    return torch.randn(24, 1, 17, 32, generator=torch.Generator().manual_seed(1))


def quantized(
    module: nn.Module, inputs: Tensor, recipe: Recipe = INT8, rules: tuple[FloatRule, ...] = ()
) -> fx.GraphModule:
    graph = torch.export.export(module.eval(), (inputs[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    return quantize(graph, quantizer(recipe, rules), inputs[:8], lambda: None)


def products(graph: fx.GraphModule) -> list[fx.Node]:
    return [node for node in graph.graph.nodes if operator_name(node) == "bmm"]


def on_the_runtime(graph: fx.GraphModule, inputs: Tensor, folder: Path) -> Tensor:
    """The results of the lowered graph, which is one delegate."""
    program = torch.export.export(graph, (inputs[0],))
    path = folder / "model.pte"
    lowered = lower(program, Lowering(INT8, InputSpec(size=(1, 1)), {}, (), {}), path)
    assert (lowered.delegation.delegates, lowered.delegation.undelegated) == (1, {})
    return host.run(path, inputs, lambda: None)


def test_attention_computes_its_products_in_int8(tokens: Tensor, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = Attention()
    graph = quantized(module, tokens)
    found = products(graph)
    assert len(found) == 2
    assert all(map(in_int8, found))
    assert [node.args[1].args[2] for node in found] == [0, 0]  # XNNPACK loads no other zero point
    given = tokens[8:]
    assert measure(run_eager(module, given), run_eager(graph, given)).sqnr_db > 30
    assert measure(run_eager(graph, given), on_the_runtime(graph, given, tmp_path)).sqnr_db > 35


@pytest.mark.parametrize(
    ("recipe", "rules"),
    [(INT8, (FloatRule("heads", "asked for", whole_path=True),)), (MIXED, ())],
    ids=["asked for", "ranges at run time"],
)
def test_products_stay_float(recipe: Recipe, rules: tuple[FloatRule, ...], tokens: Tensor) -> None:
    assert not any(map(in_int8, products(quantized(Attention(), tokens, recipe, rules))))


def test_a_product_with_a_constant_stays_float(tokens: Tensor) -> None:
    assert not any(map(in_int8, products(quantized(Fixed(), tokens))))


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_copies_are_in_the_delegate_and_round_nothing(stride: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    affine = Affine(torch.randn(8, 16).double(), torch.randn(8).double())
    inputs = torch.randn(12, 1, 6, 16)
    graph = quantized(UpsamplingByCopies(affine, stride, (2, 3)), inputs)
    found = on_the_runtime(graph, inputs, tmp_path).view(12, 8, 2 * stride, 3 * stride)
    smallest = found[..., ::stride, ::stride]
    for row in range(stride):
        for column in range(stride):
            assert torch.equal(found[..., row::stride, column::stride], smallest)
