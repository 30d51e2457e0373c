import pytest

from export_targets.artifact.folder import open_artifact
from export_targets.interpret.vk.read import read_delegate
from tests.benchmarks.vulkan import float16_ranges
from tests.conftest import Built
from tests.export_targets.matrix import Matrix

LARGEST = 65_504 / 8  # what float16 holds, with room for images and weights not tried here
IMAGES = 2


class TestVulkan(Matrix):
    target = "vulkan"


@pytest.mark.parametrize("model", ["digits_cotnet_simple", "digits_conformer", "digits_cotnet"])
def test_float16_holds_every_result_with_any_weight_scaled_up(model: str, built: Built) -> None:
    opened = open_artifact(built(model, "vulkan", "fp16").folder)
    reached = float16_ranges(read_delegate(opened.model), opened.inputs()[:IMAGES, 0])
    assert len(reached) > 8
    for row in reached:
        assert 0 < row.largest < LARGEST, row.operator
        assert 0 < row.largest_scaled < LARGEST, row.operator


@pytest.mark.parametrize("model", ["digits_cotnet_simple", "digits_conformer"])
def test_a_float16_file_is_half_as_large(model: str, built: Built) -> None:
    sizes = [
        (built(model, "vulkan", recipe).folder / "model.pte").stat().st_size
        for recipe in ("fp32", "fp16")
    ]
    assert sizes[0] / sizes[1] > 1.7  # the calls themselves are of the same size in both


@pytest.mark.parametrize("model", ["digits_cotnet_simple", "digits_conformer"])
def test_an_input_that_is_not_square_is_one_delegate_within_its_gates(
    model: str, built: Built
) -> None:
    result = built(model, "vulkan", "int8", size=(64, 96))
    assert result.manifest.input.shape == (1, 3, 64, 96)
    assert result.manifest.delegation.whole
    assert result.problems == ()
