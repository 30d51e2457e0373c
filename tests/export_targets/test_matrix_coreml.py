"""The target coreml on every embedded model; its float16 files on the digits split."""

import math

import pytest
import torch

from edge_models.catalog import model_spec, model_specs
from edge_models.digits import digits
from edge_models.images import preprocess_all, to_pixels
from export_targets.artifact import open_artifact
from export_targets.interpret.mil.read import read_package
from tests.benchmarks.coreml import float16_ranges
from tests.conftest import Built
from tests.export_targets.matrix import Matrix

EMBEDDED = [spec.name for spec in model_specs().values() if spec.embedded]
LARGEST = torch.finfo(torch.float16).max
WITH_ROOM = LARGEST / 8  # what no operator of these models reaches with the weights as they are


class TestCoreML(Matrix):
    target = "coreml"


@pytest.mark.parametrize("model", EMBEDDED)
def test_float16_holds_every_number_also_with_a_weight_eight_times_as_large(
    model: str, built: Built
) -> None:
    program = read_package(open_artifact(built(model, "coreml", "fp16").folder).model)
    spec, (images, _) = model_spec(model).input, digits("held_out")
    inputs = preprocess_all(images, spec, spec.size)
    ranges = {row.operator: row for row in float16_ranges(program, to_pixels(inputs, spec))}
    assert set(ranges) <= set(program.inventory)
    assert {"conv", "linear", "add"} <= set(ranges)
    assert max(row.largest for row in ranges.values()) < WITH_ROOM
    assert max(row.largest_scaled for row in ranges.values()) <= LARGEST
    assert all(math.isfinite(row.subnormal) for row in ranges.values())
    assert ranges["conv"].largest_scaled > ranges["conv"].largest
