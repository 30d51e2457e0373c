"""Convolutions whose inputs have ranges of each image's own, on XNNPACK's runtime."""

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edge_models.errors import RunnerError
from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from edge_models.spec import InputSpec
from export_targets.lowering.graph import in_int8, operator_name
from export_targets.lowering.xnnpack import lower, pte
from export_targets.lowering.xnnpack.partitioner import WholePartitioner
from export_targets.target import Lowering
from quantize.recipe import recipe_named
from tests.export_targets.targets.test_xnnpack_products import on_the_runtime, quantized

Options = dict[str, int]
DYNAMIC = recipe_named("int8_dynamic")
LEAST_DB = 25.0  # of the file; measured 30 to 45 dB, with a fault below 10 dB and less


class Shared(nn.Module):
    """Two convolutions of one map, as a CoT layer's key and value."""

    def __init__(self, first: Options, second: Options) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1)
        self.first, self.second = nn.Conv2d(8, 12, **first), nn.Conv2d(8, 12, **second)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        return torch.relu(self.first(x)) + self.second(x)


class Attended(nn.Module):
    """A CoT layer in small: key, value, weights of both, their product, and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.key = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=2)
        self.value, self.weights, self.last = (nn.Conv2d(n, 8, 1) for n in (8, 16, 8))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        for _ in range(2):
            key = torch.relu(self.key(x))
            weights = torch.sigmoid(self.weights(torch.cat([x, key], dim=1)))
            x = torch.relu(self.last(self.value(x) * weights + key) + x)
        return x.mean((2, 3), keepdim=True)


class Turned(nn.Module):
    """A convolution after a linear, which has its channels first."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.last = nn.Linear(8, 16), nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.linear(x)) * 2.0


PAIRS = {
    "3x3 and 1x1": ({"kernel_size": 3, "padding": 1}, {"kernel_size": 1}),
    "grouped and not": ({"kernel_size": 1, "groups": 4}, {"kernel_size": 1}),
    "3x3 and 1x1 of a dilation": (
        {"kernel_size": 3, "padding": 1},
        {"kernel_size": 1, "dilation": 2},
    ),
    "both 1x1": ({"kernel_size": 1}, {"kernel_size": 1}),
}


@pytest.fixture
def images() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(8, 1, 3, 8, 8)


def file_db(module: nn.Module, images: Tensor, folder: Path) -> float:
    """How near a network's file, one delegate, comes to it."""
    found = on_the_runtime(quantized(module, images, DYNAMIC), images, folder)
    return measure(run_eager(module, images), found).sqnr_db


@pytest.mark.parametrize("pair", PAIRS)
def test_convolutions_of_one_map(pair: str, images: Tensor, tmp_path: Path) -> None:
    assert file_db(Shared(*PAIRS[pair]), images, tmp_path) > LEAST_DB


@pytest.mark.parametrize("module", [Attended, Turned])
def test_networks(module: type[nn.Module], images: Tensor, tmp_path: Path) -> None:
    assert file_db(module(), images, tmp_path) > LEAST_DB


@pytest.mark.parametrize("pair", ["3x3 and 1x1", "grouped and not"])
def test_one_tensor_for_both_kinds_is_wrong(
    pair: str, images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pte, "separate_inputs", lambda _: None)
    assert file_db(Shared(*PAIRS[pair]), images, tmp_path) < LEAST_DB


def test_the_librarys_layout_does_not_run(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pte, "inputs_laid_out", nullcontext)
    with pytest.raises(RunnerError, match="failed with error"):
        file_db(Turned(), images, tmp_path)


def test_the_librarys_partitions_are_several(
    images: Tensor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(WholePartitioner, "generate_partitions")
    program = torch.export.export(quantized(Attended(), images, DYNAMIC), (images[0],))
    lowering = Lowering(DYNAMIC, InputSpec(size=(8, 8)), {}, (), {})
    assert lower(program, lowering, tmp_path / "model.pte").delegation.delegates != 1


def test_a_depthwise_convolution_stays_float(images: Tensor) -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 3, padding=1, groups=8))
    nodes = quantized(module, images, DYNAMIC).graph.nodes
    assert [in_int8(n) for n in nodes if operator_name(n) == "conv2d"] == [True, False]
