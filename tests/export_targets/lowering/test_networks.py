"""Networks of the published kinds with CoT layers in them: their edge forms are the same function
and lower whole, and what falls out is named by the network's own module.
"""

from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from edge_models.edge.network import Recognized, network_edge_form
from edge_models.edge.network.rewrites.reductions import MeanOfChannels
from edge_models.parity import measure
from edge_models.spec import InputSpec
from export_targets.lowering.graph import in_int8, lies_in, operator_name
from export_targets.runners import host
from export_targets.target import Lowered, Lowering, all_targets
from quantize.pt2e import quantize
from quantize.recipe import all_recipes
from tests.edge_models.edge.network.published_networks import NETWORKS

SAMPLES = 2
RECOGNIZED = {
    "ResNet": {"layer2.second": "CoTLayer", "layer3.second": "CoTLayer"},
    "U-Net": {"bottom.1": "OfficialCoTLayer", "leave.0": "CoTLayer"},
    "YOLOv5": dict.fromkeys(("low.1.inner.1", "high.1.inner.1", "neck.inner.1"), "CoTLayer"),
    "YOLOv8": dict.fromkeys(("low.1.blocks.1", "high.1.blocks.1", "neck.blocks.1"), "CoTLayer"),
    "MobileNetV3": {"features.3": "CoTLayer"},
    "ConvNeXt": {"first.1": "CoTLayer"},
    "DeiT": {"local": "CoTLayer", "blocks.0": "Block", "blocks.1": "Block"},
}
EVERY_DAY = [("U-Net", "xnnpack", "fp32")]
PAIRS = [
    *(("xnnpack", recipe) for recipe in ("fp32", "int8", "int8_dynamic")),
    ("vulkan", "fp16"),
    ("coreml", "fp16"),
]
FULL = [
    pytest.param(name, *pair, marks=pytest.mark.full)
    for name in NETWORKS
    for pair in PAIRS
    if (name, *pair) not in EVERY_DAY
]


class InEdgeForm(NamedTuple):
    network: nn.Module
    edge: nn.Module
    recognized: tuple[Recognized, ...]
    images: Tensor  # (samples, 1, 3, H, W)


def in_edge_form(name: str, target: str) -> InEdgeForm:
    network, size = NETWORKS[name]()
    forms = all_targets()[target].forms()
    edge, recognized = network_edge_form(network, size, 1, forms)
    images = torch.randn(SAMPLES, 1, 3, *size, generator=torch.Generator().manual_seed(6))
    return InEdgeForm(network, edge, recognized, images)


def flat(results: object) -> Tensor:
    return torch.cat([leaf.flatten() for leaf in pytree.tree_leaves(results)])


def of_all(module: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return torch.stack([flat(module(image.clone())) for image in images])


def lowered(edge: nn.Module, x: Tensor, target: str, recipe: str, folder: Path) -> Lowered:
    chosen, numbers = all_targets()[target], all_recipes()[recipe]
    program = torch.export.export(edge, (x,))
    if numbers.quantized:
        quantizer = chosen.quantizer(numbers, chosen.float_rules())
        changed = quantize(program.module(), quantizer, iter([x]), lambda: None)
        program = torch.export.export(changed, (x,))
    options = {name: values[0] for name, values in chosen.options.items()}
    options |= {"input": "tensor", "output": "logits"} if "input" in options else {}
    facts = dict.fromkeys(("version", "model", "size", "weights"), "none")
    lowering = Lowering(numbers, InputSpec(size=tuple(x.shape[2:])), options, (), facts)
    return chosen.lower(program, lowering, folder / chosen.file)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("target", ["xnnpack", pytest.param("vulkan", marks=pytest.mark.full)])
def test_the_edge_form_is_the_network_with_its_layers_recognized(name: str, target: str) -> None:
    made = in_edge_form(name, target)
    assert {item.path: item.kind for item in made.recognized} == RECOGNIZED[name]
    expected = of_all(made.network, made.images)
    assert measure(expected, of_all(made.edge, made.images)).sqnr_db >= 100


@pytest.mark.parametrize(("name", "target", "recipe"), [*EVERY_DAY, *FULL])
def test_it_is_one_delegate(name: str, target: str, recipe: str, tmp_path: Path) -> None:
    made = in_edge_form(name, target)
    result = lowered(made.edge, made.images[0], target, recipe, tmp_path)
    assert result.delegation.fallen == ()
    assert result.delegation.delegates == (None if target == "coreml" else 1)
    if (target, recipe) == ("xnnpack", "fp32"):
        run = host.load(tmp_path / all_targets()[target].file)
        expected = of_all(made.network, made.images)
        actual = torch.stack([run(image).flatten() for image in made.images])
        assert measure(expected, actual).sqnr_db >= 90


class Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.cumsum(x, 1)


class WithOdd(nn.Module):
    """A network with an operator that XNNPACK has not."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.inner = nn.ModuleDict({"odd": Odd()})
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.inner["odd"](torch.relu(self.stem(x))).chunk(1, 1)[0])


def test_what_falls_out_is_named_by_the_network_s_own_module(tmp_path: Path) -> None:
    edge, found = network_edge_form(WithOdd().eval(), (8, 8), 1, all_targets()["xnnpack"].forms())
    assert found == ()
    result = lowered(edge, torch.randn(1, 3, 8, 8), "xnnpack", "fp32", tmp_path)
    (fallen,) = result.delegation.fallen
    assert (fallen.operator, fallen.module) == ("cumsum", "inner.odd")
    assert fallen.why


class WithMean(nn.Module):
    """Each position's channels about their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        return self.last(x - x.mean(1, keepdim=True))


def test_a_mean_stays_float_at_int8() -> None:
    target, x = all_targets()["xnnpack"], torch.randn(1, 3, 8, 8)
    edge, _ = network_edge_form(WithMean().eval(), (8, 8), 1, target.forms())
    quantizer = target.quantizer(all_recipes()["int8"], target.float_rules())
    program = torch.export.export(edge, (x,)).module()
    graph = quantize(program, quantizer, iter([x]), lambda: None)
    convolutions = [node for node in graph.graph.nodes if operator_name(node) == "conv2d"]
    of_mean = [lies_in(node, MeanOfChannels) for node in convolutions]
    assert of_mean == [False, True, False]
    assert [in_int8(node) for node in convolutions] == [True, False, True]
