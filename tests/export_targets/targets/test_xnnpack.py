"""What XNNPACK's quantizer does beyond the library's own."""

from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import fx, nn

from edge_models.edge import OfficialCoTLayer
from edge_models.edge.folding import affine_of
from edge_models.edge.forms.stem import StemByColumnPairs
from edge_models.edge.official_cotnet import CarriedSum, OfficialCoTNet
from edge_models.parity import measure
from edge_models.reference import OfficialCoTLayer as ReferenceCoTLayer
from edge_models.reference.heads import run_eager
from edge_models.spec import FloatRule, InputSpec
from export_targets.lowering.export import exported
from export_targets.lowering.graph import lies_in, operator_name
from export_targets.lowering.xnnpack import inspect, lower, quantizer
from export_targets.runners import host
from export_targets.target import Lowering
from export_targets.targets.xnnpack import float_rules, forms
from quantize.pt2e import quantize
from quantize.recipe import recipe_named
from tests.edge_models.layers import made, made_model


def test_pairs_of_columns_keep_the_scale_of_the_image() -> None:
    generator = torch.Generator().manual_seed(0)
    convolution = nn.Conv2d(3, 8, 7, 2, 3)
    images = torch.randn(4, 1, 3, 32, 32, generator=generator)
    stem = StemByColumnPairs(affine_of(convolution), convolution)
    graph = torch.export.export(stem, (images[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    quantized = quantize(graph, quantizer(recipe_named("int8"), ()), images, lambda: None)
    grids = [
        node.args[1:3]
        for node in quantized.graph.nodes
        if node.target == torch.ops.quantized_decomposed.quantize_per_tensor.default
    ]
    assert len(grids) == 3  # of the image, its pairs, the result
    assert grids[0] == grids[1] != grids[2]


@pytest.fixture(scope="module")
def layer() -> fx.GraphModule:
    """A quantized CoT layer of the official family."""
    generator = torch.Generator().manual_seed(0)
    edge = OfficialCoTLayer(made(ReferenceCoTLayer, dim=32), torch.ones(32), forms()).eval()
    images = torch.randn(2, 1, 32, 6, 8, generator=generator)
    graph = torch.export.export(edge, (images[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    return quantize(graph, quantizer(recipe_named("int8"), float_rules()), images, lambda: None)


def scales(nodes: Iterable[object]) -> set[object]:
    return {node.args[1:3] for node in nodes if isinstance(node, fx.Node)}


def calls(graph: fx.GraphModule, name: str) -> list[fx.Node]:
    return [node for node in graph.graph.nodes if operator_name(node) == name]


def test_padding_and_shifting_a_map_keep_its_scale(layer: fx.GraphModule) -> None:
    (pad,) = calls(layer, "pad")
    shifted = [node for node in calls(layer, "slice") if node.args[1] in (2, 3)]
    assert len(shifted) == 3 + 9
    users = [user for node in (pad, *shifted) for user in node.users]
    assert all("quantize_per_tensor" in str(user.target) for user in users)
    assert len(scales([pad.args[0], *users])) == 1


def test_local_weights_are_quantized_once_before_they_are_sliced(layer: fx.GraphModule) -> None:
    taps = [node for node in calls(layer, "slice") if node.args[1] == 1]
    assert len(taps) == 9
    assert len(scales(node.args[0] for node in taps)) == 1
    assert len({node.args[0].args[0] for node in taps}) == 1


OF_A_COT_LAYER = {"TapNorm", "TapSum", "ContextMeans", "ContextMix"}


@pytest.mark.parametrize(
    "rule",
    [rule for rule in float_rules() if rule.name in OF_A_COT_LAYER],
    ids=lambda rule: rule.name,
)
def test_what_decides_a_cot_layer_stays_float(layer: fx.GraphModule, rule: FloatRule) -> None:
    ruled = [node for node in layer.graph.nodes if lies_in(node, rule.module)]
    assert [node for node in ruled if operator_name(node) in ("add", "mul", "mean", "sub")]
    ruled = [node for node in ruled if "quantize" not in operator_name(node)]
    assert all("dequantize_per_channel" not in str(node.args) for node in ruled)
    inside = [user for node in ruled for user in node.users if "quantize" in str(user.target)]
    outputs = {node for node in ruled if not set(node.users) & set(ruled)}
    assert {node.args[0] for node in inside} <= outputs


def test_what_the_blocks_of_an_official_network_add_to_stays_float() -> None:
    generator = torch.Generator().manual_seed(0)
    edge = OfficialCoTNet(made_model("digits_cotnet", layers=(2, 1, 1, 1)), forms()).eval()
    images = torch.randn(2, 1, 3, 32, 32, generator=generator)
    graph = torch.export.export(edge, (images[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    quantized = quantize(
        graph, quantizer(recipe_named("int8"), float_rules()), images, lambda: None
    )
    first, second, *_ = (n for n in calls(quantized, "add") if lies_in(n, CarriedSum))
    stream = second.args[1]  # the first block's sum, rectified, as it was computed
    assert isinstance(stream, fx.Node)
    assert operator_name(stream) == "relu"
    assert stream.args[0] is first


class Classifier(nn.Module):
    """Two linears, the last of which gives the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden, self.head = nn.Linear(16, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.head(torch.relu(self.hidden(x)))
        return result


class Maps(nn.Module):
    """Two maps of one, by convolutions of 1x1 and 3x3: only the first has a scale of each input."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(3, 8, 3, 2, 1)
        self.fine, self.coarse = nn.Conv2d(8, 5, 1), nn.Conv2d(8, 6, 3, 2, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        x = torch.relu(self.hidden(x))
        return self.fine(x), self.coarse(x)


@pytest.mark.parametrize(
    ("kind", "layer", "shape"),
    [
        (Classifier, "linear", (1, 16)),
        (Maps, "conv2d", (1, 3, 16, 16)),
        (Maps, "conv2d", (2, 3, 16, 16)),
    ],
)
def test_what_leaves_the_program_is_not_rounded_and_in_the_delegate(
    kind: type[nn.Module], layer: str, shape: tuple[int, ...], tmp_path: Path
) -> None:
    recipe = recipe_named("int8")
    images = torch.randn(6, *shape, generator=torch.Generator().manual_seed(0))
    module = made(kind).requires_grad_(False)
    graph = torch.export.export(module, (images[0],)).module()
    assert isinstance(graph, fx.GraphModule)
    quantized = quantize(graph, quantizer(recipe, ()), images, lambda: None)
    layers = calls(quantized, layer)
    assert all("dequantize" in str(node.args[1]) for node in layers)
    assert {user.op for user in layers[1].users} == {"output"}
    path = tmp_path / "model.pte"
    lower(
        torch.export.export(quantized, (images[0],)),
        Lowering(recipe, InputSpec(), {}, (), {}),
        path,
    )
    assert inspect(path) == (1, {})
    forward = host.load(path)
    found = torch.stack([forward(image) for image in images])
    assert measure(run_eager(module, images), found).sqnr_db > 30


@pytest.mark.full
def test_a_cot_layer_as_published_runs_in_int8(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    published = made(ReferenceCoTLayer, dim=32).requires_grad_(False)
    recipe = recipe_named("int8")
    images = torch.randn(4, 1, 32, 6, 8, generator=generator)
    graph = exported(published, images[0]).module()
    assert isinstance(graph, fx.GraphModule)
    assert not [*calls(graph, "im2col")]
    quantized = quantize(graph, quantizer(recipe, float_rules()), images, lambda: None)
    path = tmp_path / "model.pte"
    program = torch.export.export(quantized, (images[0],))
    lower(program, Lowering(recipe, InputSpec(), {}, (), {}), path)
    forward = host.load(path)
    with torch.no_grad():
        expected = torch.cat([published(image.clone()).flatten(1) for image in images])
    found = torch.cat([forward(image).flatten(1) for image in images])
    assert measure(expected, found).sqnr_db > 15
