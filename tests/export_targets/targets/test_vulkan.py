"""The target vulkan: what it refuses, and what its files are made of."""

import logging
import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.edge.forms.layer_norm import LayerNormByLinear
from edge_models.errors import InputError
from edge_models.parity import HopSpec, compare
from edge_models.reference.heads import SingleOutput
from edge_models.reference.split_attention import BlurPool
from edge_models.spec import InputSpec
from export_targets.interpret.vk.execute import execute
from export_targets.interpret.vk.graph import TensorValue
from export_targets.interpret.vk.read import read_delegate
from export_targets.lowering.vulkan.faults import FAULTS
from export_targets.target import Lowering
from export_targets.targets.vulkan import TARGET, forms
from quantize.recipe import recipe_named
from tests.conftest import Built, EdgeformInProcess
from tests.export_targets.interpret.test_vulkan_operators import lowered


class Each(nn.Module):
    """Named layers on the same map: one lowering for all of them."""

    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(layers)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = torch.relu(x)
        return [torch.relu(layer(x)) for layer in self.layers.values()]


def depthwise(kernel: int, **geometry: int) -> nn.Module:
    return nn.Conv2d(8, 8, kernel, groups=8, **geometry)  # type: ignore[arg-type]


class Pool(nn.Module):
    """An average pool that leaves its stride to the operator."""

    def forward(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(x, 2)


REFUSED = (
    {
        "even": (depthwise(2, padding=1), "convolution of layers.even: .* depthwise"),
        "strided": (depthwise(3, stride=2, padding=1), "convolution of layers.strided: .* 3x3"),
        "bare": (depthwise(3), "convolution of layers.bare: .* with padding"),
    },
    {
        "pointwise": (
            nn.Conv2d(8, 8, 1, groups=2),
            "convolution of layers.pointwise: .* 1x1 convolution with groups",
        ),
        "narrow": (nn.Conv2d(8, 8, 3, groups=4), "convolution of layers.narrow: .* multiple of 4"),
        "pool": (Pool(), "avg_pool2d of layers.pool: .* explicit stride"),
    },
)
TAKEN = {
    "depthwise": depthwise(3, padding=1),
    "depthwise of five": depthwise(5, padding=2),
    "groups of four": nn.Conv2d(8, 8, 3, groups=2),
    "strided": nn.Conv2d(8, 8, 1, stride=2),
    "pool": nn.AvgPool2d(2, 2),
}


@pytest.mark.parametrize("refused", REFUSED, ids=list)
def test_what_the_runtime_gets_wrong_is_refused_by_name(
    refused: dict[str, tuple[nn.Module, str]], tmp_path: Path
) -> None:
    module = Each(**{name: layer for name, (layer, _) in refused.items()})
    path = tmp_path / "model.pte"
    with pytest.raises(InputError) as raised:
        lowered(module.eval(), (torch.randn(1, 8, 8, 8),), path)
    said = raised.value.what.split("software device")[:-1]  # the evidence of each
    assert len(said) == len(refused)
    for line, (_, message) in zip(said, refused.values(), strict=True):
        assert re.search(message, line)
    assert not path.exists()


def test_what_it_computes_rightly_is_taken_and_the_root_logger_left_as_it_was(
    tmp_path: Path,
) -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    graph = lowered(Each(**TAKEN).eval(), (torch.randn(1, 8, 8, 8),), tmp_path / "model.pte")
    assert (root.level, root.handlers) == before
    names = [call.operator for call in graph.calls]
    assert sum("conv" in name for name in names) == 4
    assert "aten.avg_pool2d.default" in names


def test_every_fault_says_how_it_is_known() -> None:
    assert all(len(fault.evidence) > 20 and fault.operators for fault in FAULTS)


def test_a_batch_is_refused_before_anything_is_written(
    edgeform: EdgeformInProcess, tmp_path: Path
) -> None:
    out = tmp_path / "artifact"
    command = ("build", "digits_cotnet_simple", "--target", "vulkan", "--recipe", "fp32")
    ran = edgeform(*command, "--batch", 2, "--out", out)
    assert ran.code == 2
    assert "batch" in ran.err
    assert not out.exists()


NORMS = {
    "bare": nn.LayerNorm(8, elementwise_affine=False),
    "unbiased": nn.LayerNorm(8, bias=False),
}


@pytest.mark.parametrize("name", NORMS)
def test_a_layer_norm_that_aborts_the_process_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "model.pte"
    message = f"layer_norm of layers.{name}: .* aborts the process .* without a weight or a bias"
    with pytest.raises(InputError, match=message):
        lowered(Each(**{name: NORMS[name]}).eval(), (torch.randn(1, 8, 8, 8),), path)
    assert not path.exists()


@pytest.mark.parametrize("recipe", ["fp16", "int8"])
def test_every_layer_norm_of_a_saved_file_has_its_weight_and_bias(
    recipe: str, built: Built
) -> None:
    result = built("digits_conformer", "vulkan", recipe)
    assert result.problems == ()
    graph = read_delegate(result.folder / "model.pte")
    norms = [call for call in graph.calls if call.operator == "aten.native_layer_norm.default"]
    assert len(norms) > 2
    for norm in norms:
        held = [graph.values[number] for number in norm.arguments]
        assert all(isinstance(value, TensorValue) for value in (held[2], held[3]))


class Tokens(nn.Module):
    """A layer norm of tokens that a linear made."""

    def __init__(self, norm: type[nn.Module]) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(16, 32), norm(32, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        normalized: Tensor = self.norm(self.linear(x))
        return normalized


@pytest.mark.parametrize(
    ("norm", "status"),
    [(forms().layer_norm, "passed"), (LayerNormByLinear, "failed")],
)
def test_a_layer_norm_that_overflows_float16_does_not_pass(
    norm: type[nn.Module], status: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = Tokens(norm).eval().requires_grad_(False)
    x = torch.randn(17, 16) * 1000  # squares beyond 65,504, numbers far within
    path = tmp_path / "model.pte"
    lowering = Lowering(recipe_named("fp16"), InputSpec((32, 32)), {}, (), {})
    TARGET.lower(torch.export.export(module, (x,)), lowering, path)
    (found,) = execute(read_delegate(path), [x])
    spec = HopSpec("lower", "edge", "file", TARGET.gates["fp16"].lower)
    hop = compare(spec, TARGET.runner, module(x)[None], found[None])
    assert hop.status == status, hop.why


class Mixed(nn.Module):
    """Layers that the runtime is known to take, and some that it is not."""

    def __init__(self) -> None:
        super().__init__()
        self.good = nn.Conv2d(8, 8, 3)
        self.strided = nn.Conv2d(8, 8, 3, 2, groups=2)
        self.bounded = nn.Tanh()
        self.padding = nn.ZeroPad2d((1, 0, 2, 2))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.bounded(x)
        return self.good(x), torch.relu(self.strided(x)), self.padding(x)


def test_what_the_runtime_is_not_known_to_take_is_refused_by_operator_argument_and_module(
    tmp_path: Path,
) -> None:
    program = torch.export.export(Mixed().eval().requires_grad_(False), (torch.randn(1, 8, 8, 8),))
    lowering = Lowering(recipe_named("fp16"), InputSpec((32, 32)), {}, (), {})
    with pytest.raises(InputError) as raised:
        TARGET.lower(program, lowering, tmp_path / "model.pte")
    for named in (
        "aten.tanh.default of bounded is an operator that this interpreter does not know",
        "et_vk.conv_with_clamp.default of strided has stride = (2, 2)",
        "aten.constant_pad_nd.default of padding has pad = (1, 0, 2, 2)",
    ):
        assert named in raised.value.what
    assert "good" not in raised.value.what
    assert "docs/vulkan.md" in raised.value.remedy


class TwoHeads(nn.Module):
    """Two outputs of rows, as a Conformer has."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return torch.exp(x), torch.relu(x)


def test_the_mean_of_a_published_models_heads_is_an_operator_that_is_taken(tmp_path: Path) -> None:
    x = torch.randn(1, 8)
    module = SingleOutput(TwoHeads(), "mean").eval()
    (found,) = execute(lowered(module, (x,), tmp_path / "model.pte"), [x])
    torch.testing.assert_close(found, (torch.exp(x) + torch.relu(x)) / 2)


def test_a_blur_pool_is_taken_and_computes_what_the_reference_does(tmp_path: Path) -> None:
    x, source = torch.randn(1, 4, 8, 6), BlurPool(4)
    edge = forms().blur_pool(source.weight).eval()
    (found,) = execute(lowered(edge, (x,), tmp_path / "model.pte"), [x])
    torch.testing.assert_close(found, source(x))
