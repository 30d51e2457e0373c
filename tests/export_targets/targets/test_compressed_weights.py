"""Weights that coremltools' optimizers leave as they are stand in the lowering's answer."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edge_models.parity import measure
from edge_models.reference.heads import run_eager
from edge_models.spec import InputSpec
from export_targets.artifact.manifest import FloatModule
from export_targets.lowering.coreml import compressed_weights
from export_targets.plan import choose_images
from export_targets.progress import silent_reporter, stderr_reporter
from export_targets.represent import palettized_program
from export_targets.target import Lowered, Lowering, target_named
from quantize.recipe import recipe_named
from tests.export_targets.search.quantized import Graphs

RECIPES = ("int8_weight_only", "palettized_6bit", "palettized_mixed", "palettized_4bit")


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


@pytest.mark.parametrize(("distinct", "entries"), [(16, 16), (17, 64), (65, 256), (300, 256)])
def test_a_table_has_the_fewest_bits_that_hold_a_weight(distinct: int, entries: int) -> None:
    weight = np.linspace(-1, 1, distinct).astype(np.float16).repeat(2).reshape(2, -1)
    table, indices = compressed_weights.lookup_table(weight, (4, 6, 8))
    assert (table.dtype, len(table)) == (np.float16, entries)
    held = table[indices].reshape(weight.shape)
    assert (held == weight).all() == (distinct <= 256)
    assert np.abs(held - weight).max() < 0.01


def test_images_make_palettes_better_and_a_build_without_them_says_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = Graphs("digits_cotnet", "coreml", "palettized_4bit")
    plan, program, inputs, stored = made.plan, made.program, made.inputs, made.plan.recipe.weights
    assert stored is not None
    calibration = choose_images(plan, silent_reporter()).calibration
    expected = run_eager(program.module(), inputs)
    median = []
    for images in (None, calibration):
        found = palettized_program(plan, program, stored, images, stderr_reporter())
        metrics = measure(expected[:, 0], run_eager(found.module(), inputs)[:, 0])
        assert metrics.median_sqnr_db is not None
        median.append(metrics.median_sqnr_db)
    assert median[1] > median[0] + 3
    assert capsys.readouterr().err.count("chosen by the weights alone") == 1
