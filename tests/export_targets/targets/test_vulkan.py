"""The target vulkan: what it refuses, and what its files are made of."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from edge_models.errors import InputError
from export_targets.vulkan.faults import FAULTS
from tests.conftest import Built, EdgeformInProcess
from tests.export_targets.interpret.test_vulkan_operators import lowered


class Of(nn.Module):
    """A convolution on a map, then a function."""

    def __init__(self, layer: nn.Module, function: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self.layer, self.function = layer, function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self.layer(x))


def depthwise(kernel: int, **geometry: int) -> nn.Module:
    return Of(nn.Conv2d(8, 8, kernel, groups=8, **geometry))  # type: ignore[arg-type]


POINTWISE = nn.Conv2d(8, 8, 1)
REFUSED = {
    "depthwise of an even kernel": (depthwise(2, padding=1), "convolution of layer: .* depthwise"),
    "depthwise with stride": (depthwise(3, stride=2, padding=1), "depthwise"),
    "depthwise without padding": (depthwise(3), "depthwise"),
    "pointwise with groups": (Of(nn.Conv2d(8, 8, 1, groups=2)), "1x1 convolution with groups"),
    "narrow groups": (Of(nn.Conv2d(8, 8, 3, groups=4)), "multiple of 4"),
    "pool without stride": (Of(POINTWISE, lambda x: F.avg_pool2d(x, 2)), "avg_pool2d of .* stride"),
}
TAKEN = {
    "depthwise": depthwise(3, padding=1),
    "depthwise of five": depthwise(5, padding=2),
    "groups of four": Of(nn.Conv2d(8, 8, 3, groups=2)),
    "strided": Of(nn.Conv2d(8, 8, 1, stride=2)),
    "pool": Of(POINTWISE, lambda x: F.avg_pool2d(x, 2, 2)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_runtime_gets_wrong_is_refused_by_name(name: str, tmp_path: Path) -> None:
    module, message = REFUSED[name]
    path = tmp_path / "model.pte"
    with pytest.raises(InputError, match=message):
        lowered(module.eval(), (torch.randn(1, 8, 8, 8),), path)
    assert not path.exists()


@pytest.mark.parametrize("name", TAKEN)
def test_what_it_computes_rightly_is_taken(name: str, tmp_path: Path) -> None:
    graph = lowered(TAKEN[name].eval(), (torch.randn(1, 8, 8, 8),), tmp_path / "model.pte")
    assert any("conv" in call.operator for call in graph.calls)


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


def test_the_root_logger_is_left_as_it_was(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level, root.handlers[:]
    lowered(TAKEN["pool"].eval(), (torch.randn(1, 8, 8, 8),), tmp_path / "model.pte")
    assert (root.level, root.handlers) == before


@pytest.mark.parametrize("model", ["digits_cotnet_simple", "digits_conformer"])
def test_a_float16_file_is_half_as_large(model: str, built: Built) -> None:
    sizes = [
        (built(model, "vulkan", recipe).folder / "model.pte").stat().st_size
        for recipe in ("fp32", "fp16")
    ]
    assert sizes[0] / sizes[1] > 1.7  # the calls themselves are of the same size in both
