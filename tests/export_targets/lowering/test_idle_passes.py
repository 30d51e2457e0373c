"""Leaving idle passes out changes nothing in the file."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from executorch.backends.xnnpack._passes.propagate_custom_meta_pass import PropagateCustomMetaPass
from torch import Tensor, fx, nn
from torch.fx.passes.infra.pass_base import PassBase, PassResult
from torch.nn import functional as F

from edge_models.spec import InputSpec
from export_targets.lowering import idle_passes, read_versions
from export_targets.lowering.xnnpack import pte
from export_targets.target import Lowering
from quantize.recipe import recipe_named

# The others look for operators that an export decomposes or keeps whole before they come.
USED = {
    *("ConvertToLinearPass", "ConvertToUpsampleBilinear2d", "DecomposeBatchNorm"),
    *("DecomposeConcatenate", "FuseActivationPass", "FuseBatchNormPass"),
    *("Conv1dUnsqueezePass", "DimOrderOpsRevertPass", "MemoryFormatOpsPass"),
    "RemoveMixedTypeOperators",
}


class Rewritten(nn.Module):
    """Gives each pass of ``USED`` something to rewrite: (1, 8, 8, 8) -> (1, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(8, 8, 3, padding=1)
        self.norm, self.norm_alone = nn.BatchNorm2d(8), nn.BatchNorm2d(8)
        self.weight = nn.Parameter(torch.randn(8, 8))
        self.of_rows = nn.Conv1d(8, 8, 3, padding=1)
        self.register_buffer("integers", torch.arange(8))
        for norm in (self.norm, self.norm_alone):
            nn.init.uniform_(norm.running_var, 0.5, 2)
            nn.init.uniform_(norm.running_mean, -1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.convolution(x)))
        x = x.to(memory_format=torch.channels_last)
        x = self.norm_alone(F.max_pool2d(x, 2))
        x = F.interpolate(x, scale_factor=2, mode="bilinear")
        x = torch.cat([x, x + 1, x * 2, x - 1, x * 3, x + 2], dim=3)
        x = self.of_rows(x.mean(3)) + self.integers
        return x.mean(2) @ self.weight


def lowered(program: torch.export.ExportedProgram, path: Path) -> tuple[bytes, set[str]]:
    """The file of a program, and the classes of the passes that ran."""
    run, names = PassBase.__call__, set()

    def noting(self: PassBase, graph_module: torch.fx.GraphModule) -> object:
        names.add(type(self).__name__)
        return run(self, graph_module)

    lowering = Lowering(recipe_named("fp32"), InputSpec(), {}, (), {})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PassBase, "__call__", noting)
        pte.lower(program, lowering, path)
    return path.read_bytes(), names


def lowered_both_ways(module: nn.Module, x: Tensor, path: Path) -> tuple[set[str], set[str]]:
    """The passes that ran with the idle ones left out, and all of them, for the same bytes."""
    frozen = module.eval().requires_grad_(False)
    short, ran = lowered(torch.export.export(frozen, (x,)), path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pte, "idle_passes_left_out", nullcontext)
        whole, all_of_them = lowered(torch.export.export(frozen, (x,)), path)
    assert short == whole
    return ran, all_of_them


def test_a_pass_with_something_to_rewrite_runs(tmp_path: Path) -> None:
    ran, _ = lowered_both_ways(Rewritten(), torch.randn(1, 8, 8, 8), tmp_path / "model.pte")
    assert ran >= USED


def test_annotations_are_handed_on_where_there_are_any() -> None:
    rewrites = idle_passes.REWRITES[PropagateCustomMetaPass]
    node = next(iter(fx.symbolic_trace(nn.ReLU()).graph.nodes))
    assert not rewrites(node)
    node.meta["custom"] = {"of": "a user"}
    assert rewrites(node)


def test_idle_passes_are_left_out(tmp_path: Path) -> None:
    module, x = nn.Conv2d(8, 8, 3), torch.randn(1, 8, 8, 8)
    ran, all_of_them = lowered_both_ways(module, x, tmp_path / "model.pte")
    assert all_of_them - ran == {left_out.__name__ for left_out in idle_passes.REWRITES}


def test_under_other_versions_every_pass_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_versions, "READ", {"executorch": "1.5.0"})
    module, x = nn.Conv2d(8, 8, 3), torch.randn(1, 8, 8, 8)
    ran, all_of_them = lowered_both_ways(module, x, tmp_path / "model.pte")
    assert ran == all_of_them


class Marking(PassBase):
    def call(self, graph_module: torch.fx.GraphModule) -> PassResult:
        return PassResult(graph_module, modified=True)


def test_passes_of_another_thread_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(idle_passes.REWRITES, Marking, lambda node: False)
    graph_module = torch.fx.symbolic_trace(nn.ReLU())
    with idle_passes.idle_passes_left_out(), ThreadPoolExecutor(1) as pool:
        here = Marking()(graph_module)
        elsewhere = pool.submit(Marking(), graph_module).result()
    assert here is not None
    assert (here.modified, elsewhere.modified) == (False, True)
