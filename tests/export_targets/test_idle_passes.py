"""Leaving idle passes out changes nothing in the file."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.fx.passes.infra.pass_base import PassBase
from torch.nn import functional as F

from edge_models.spec import InputSpec
from export_targets import idle_passes
from export_targets.target import Lowering, target_named
from export_targets.targets import xnnpack
from quantize.recipe import recipe_named

# The others look for operators that an export decomposes or keeps whole before they come.
USED = {
    *("ConvertToLinearPass", "ConvertToUpsampleBilinear2d", "DecomposeBatchNorm"),
    *("DecomposeConcatenate", "FuseActivationPass", "FuseBatchNormPass"),
}


class Rewritten(nn.Module):
    """Gives each pass of ``USED`` something to rewrite: (1, 8, 8, 8) -> (1, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.norm_alone = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.weight = nn.Parameter(torch.randn(8, 8))
        for norm in (self.norm, self.norm_alone):
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.running_mean, -1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.convolution(x)))
        x = self.norm_alone(F.max_pool2d(x, 2))
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        x = torch.cat([x, x + 1, x * 2, x - 1, x * 3, x + 2], dim=3)
        return x.mean((2, 3)) @ self.weight


@contextmanager
def passes_seen(names: set[str]) -> Iterator[None]:
    """Notes the class of each pass that runs."""
    run = PassBase.__call__

    def noting(self: PassBase, graph_module: torch.fx.GraphModule) -> object:
        names.add(type(self).__name__)
        return run(self, graph_module)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PassBase, "__call__", noting)
        yield


def lowered(program: torch.export.ExportedProgram, path: Path) -> tuple[bytes, set[str]]:
    """The file of a program, and the passes that made it."""
    names: set[str] = set()
    lowering = Lowering(recipe_named("fp32"), InputSpec(), {}, (), {})
    with passes_seen(names):
        target_named("xnnpack").lower(program, lowering, path)
    return path.read_bytes(), names


@pytest.fixture
def both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[nn.Module, Tensor], tuple[set[str], set[str]]]:
    """The passes that ran with and without the idle ones left out, for the same bytes."""

    def lower_twice(module: nn.Module, x: Tensor) -> tuple[set[str], set[str]]:
        frozen = module.eval().requires_grad_(False)
        short, ran = lowered(torch.export.export(frozen, (x,)), tmp_path / "model.pte")
        monkeypatch.setattr(xnnpack, "idle_passes_left_out", nullcontext)
        whole, all_of_them = lowered(torch.export.export(frozen, (x,)), tmp_path / "model.pte")
        assert short == whole
        return ran, all_of_them

    return lower_twice


Both = Callable[[nn.Module, Tensor], tuple[set[str], set[str]]]


def test_a_pass_with_something_to_rewrite_runs(both: Both) -> None:
    ran, _ = both(Rewritten(), torch.randn(1, 8, 8, 8))
    assert ran >= USED


def test_idle_passes_are_left_out(both: Both) -> None:
    ran, all_of_them = both(nn.Conv2d(8, 8, 3), torch.randn(1, 8, 8, 8))
    assert all_of_them - ran == set(idle_passes.NEEDED)  # also finds names that are no more
