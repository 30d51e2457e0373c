"""Weights that coremltools' optimizers leave as they are stand in the lowering's answer."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edge_models.spec import InputSpec
from export_targets.artifact.manifest import FloatModule
from export_targets.lowering.coreml import compressed_weights
from export_targets.target import Lowered, Lowering, target_named
from quantize.recipe import recipe_named

RECIPES = ("int8_weight_only", "palettized_6bit", "palettized_4bit")


class Small(nn.Module):
    """A convolution and a linear, (1, 3, 32, 32) -> (1, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2)
        self.head = nn.Linear(8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.stem(x).relu().mean((2, 3)))


def lowered(recipe: str, folder: Path) -> Lowered:
    torch.manual_seed(0)
    program = torch.export.export(Small().eval(), (torch.zeros(1, 3, 32, 32),))
    options = {"input": "tensor", "output": "logits", "minimum-deployment": "iOS17"}
    facts = {"model": "small", "size": "32x32", "version": "0"}
    spec = InputSpec(size=(32, 32))
    lowering = Lowering(recipe_named(recipe), spec, options, (), facts)
    return target_named("coreml").lower(program, lowering, folder / "model.mlpackage")


@pytest.mark.parametrize("recipe", RECIPES)
def test_nothing_is_left_of_a_convolution_and_a_linear(
    recipe: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = lowered(recipe, tmp_path)
    assert "%|" not in capfd.readouterr().err  # no library's own bars
    assert found.float_modules == ()
    assert set(found.weights) == {"stem.weight", "stem.bias", "head.weight", "head.bias"}


def test_what_is_left_is_named_with_its_module_and_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compress = compressed_weights.compress

    def only_convolutions(*arguments: object) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(compressed_weights, "PRODUCTS", ("conv",))
            return compress(*arguments)

    monkeypatch.setattr("export_targets.lowering.coreml.package.compress", only_convolutions)
    found = lowered("palettized_4bit", tmp_path)
    rule = "recipe palettized_4bit: coremltools' optimizer leaves this weight as it is"
    assert found.float_modules == (FloatModule(module="head", operators={"linear": 1}, rule=rule),)
