"""Backends that patch their libraries while they lower leave the next one as it was."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn

from edge_models.spec import InputSpec
from export_targets.target import Lowering, all_targets
from quantize.recipe import recipe_named

OPTIONS = {"input": "tensor", "output": "logits", "minimum-deployment": "iOS17"}


class Small(nn.Module):
    """A convolution, (1, 3, 32, 32) -> (1, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.stem(x).relu().mean((2, 3), keepdim=True).flatten(1)


def digests(target: str, folder: Path) -> dict[str, str]:
    """What a target's FP16 file holds, but for what carries generated ids."""
    chosen = all_targets()[target]
    torch.manual_seed(0)
    program = torch.export.export(Small().eval(), (torch.zeros(1, 3, 32, 32),))
    options = {name: OPTIONS[name] for name in chosen.options}
    facts = {"model": "small", "size": "32x32", "version": "0"}
    lowering = Lowering(recipe_named("fp16"), InputSpec(size=(32, 32)), options, (), facts)
    folder.mkdir()
    lowered = chosen.lower(program, lowering, folder / chosen.file)
    assert lowered.delegation.whole
    delegates = None if target == "coreml" else 1  # a package does not say
    assert chosen.inspect(folder / chosen.file) == (delegates, {})
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.name in ("model.mlmodel", "weight.bin") or target == "vulkan"
        if path.is_file()
    }


def test_core_ml_and_others_lower_in_turns(tmp_path: Path) -> None:
    targets = ("coreml", "vulkan", "coreml_pte", "coreml", "vulkan")
    found = [digests(target, tmp_path / f"{index}") for index, target in enumerate(targets)]
    assert [len(files) for files in found] == [2, 1, 0, 2, 1]
    assert found[3:] == found[:2]
