"""The target coreml on every embedded model, and what its recipes do to numbers and sizes."""

import pytest
import torch
from torch import Tensor

from edge_models.catalog import model_spec, model_specs
from edge_models.digits import digits
from edge_models.images import crops
from edge_models.parity import measure
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.interpret.mil.execute import execute
from export_targets.interpret.mil.read import read_package
from export_targets.lowering.coreml.compressed_weights import uncompressed
from export_targets.lowering.coreml.convert import LOGITS
from export_targets.pipeline import BuildResult
from tests.benchmarks.coreml import float16_ranges
from tests.conftest import Built
from tests.daily import daily
from tests.export_targets.matrix import Matrix

EMBEDDED = [spec.name for spec in model_specs().values() if spec.embedded]
LARGEST = torch.finfo(torch.float16).max
WITH_ROOM = LARGEST / 8  # what no operator of these models reaches with the weights as they are
CONFORMER = "digits_conformer"
COMPRESSED = {
    "int8_weight_only": "constexpr_affine_dequantize",
    "palettized_6bit": "constexpr_lut_to_dense",
    "palettized_4bit": "constexpr_lut_to_dense",
    "palettized_mixed": "constexpr_lut_to_dense",
}


class TestCoreML(Matrix):
    target = "coreml"
    wider = ("palettized_6bit",)  # as 4 bits, but for their number
    others = (("digits_cotnet_simple", "fp16"), ("digits_cotnet", "fp16"))


@pytest.mark.parametrize("model", daily(EMBEDDED, [CONFORMER]))
def test_float16_holds_every_number_also_with_a_weight_eight_times_as_large(
    model: str, built: Built
) -> None:
    program = read_package(open_artifact(built(model, "coreml", "fp16").folder).model)
    spec, (images, _) = model_spec(model).input, digits("held_out")
    pixels = crops(images, spec, spec.size).float()
    ranges = {row.operator: row for row in float16_ranges(program, pixels)}
    assert set(ranges) <= set(program.inventory)
    assert {"conv", "linear", "add"} <= set(ranges)
    assert max(row.largest for row in ranges.values()) < WITH_ROOM
    assert max(row.largest_scaled for row in ranges.values()) <= LARGEST
    assert ranges["conv"].largest_scaled > ranges["conv"].largest


def opened(built: Built, recipe: str) -> Artifact:
    return open_artifact(built(CONFORMER, "coreml", recipe).folder)


@pytest.mark.parametrize("recipe", daily(COMPRESSED, COMPRESSED.keys() - TestCoreML.wider))
def test_every_weight_is_compressed_and_computes_what_it_holds(built: Built, recipe: str) -> None:
    result = built(CONFORMER, "coreml", recipe)
    program = read_package(open_artifact(result.folder).model)
    assert uncompressed(program) == []
    assert program.inventory[COMPRESSED[recipe]] >= 50
    assert result.parity is not None
    exact = next(hop for hop in result.parity.hops if hop.name == "exact")
    assert exact.runner == "interpreter_float32"
    assert exact.sqnr_db is not None
    assert exact.sqnr_db >= 60


def weights_bytes(built: Built, recipe: str) -> int:
    weights = opened(built, recipe).model / "Data/com.apple.CoreML/weights/weight.bin"
    return weights.stat().st_size


def test_fewer_bits_are_smaller_files(built: Built) -> None:
    recipes = ("fp32", "fp16", "int8_weight_only", "palettized_4bit")
    sizes = {recipe: weights_bytes(built, recipe) for recipe in recipes}
    assert sizes["fp16"] < 0.55 * sizes["fp32"]
    assert sizes["palettized_4bit"] < sizes["int8_weight_only"] < 0.6 * sizes["fp16"]


def test_mixed_palettes_are_nearly_as_small_as_those_of_four_bits_and_far_nearer(
    built: Built,
) -> None:
    recipes = ("palettized_4bit", "palettized_mixed")
    four, mixed = (weights_bytes(built, recipe) for recipe in recipes)
    assert four < mixed < 1.15 * four
    least, more = (chain_db(built(CONFORMER, "coreml", recipe)) for recipe in recipes)
    assert more > least + 5


def chain_db(result: BuildResult) -> float:
    assert result.parity is not None
    (chain,) = (hop for hop in result.parity.hops if hop.name == "chain")
    assert chain.sqnr_db is not None
    return chain.sqnr_db


@pytest.mark.full
def test_six_bits_are_between_four_and_eight(built: Built) -> None:
    recipes = ("palettized_4bit", "palettized_6bit", "int8_weight_only")
    sizes = [weights_bytes(built, recipe) for recipe in recipes]
    assert sizes == sorted(set(sizes))


def test_int8_multiplies_integers_and_leaves_the_rest_float(built: Built) -> None:
    program = read_package(opened(built, "int8").model)
    assert program.inventory["constexpr_affine_dequantize"] >= 50
    assert program.inventory["quantize"] == program.inventory["dequantize"] >= 30
    assert uncompressed(program) == []


def test_float16_storage_is_what_separates_the_two_modes(built: Built) -> None:
    artifact = opened(built, "fp16")
    program, sample = read_package(artifact.model), artifact.inputs()[0]
    stored, exact = (
        execute(program, {"image": sample}, storage)[LOGITS] for storage in ("declared", "float32")
    )
    assert isinstance(stored, Tensor)
    assert isinstance(exact, Tensor)
    assert torch.equal(stored, stored.half().float())
    assert not torch.equal(exact, exact.half().float())
    assert 40 < measure(exact.T, stored.T).sqnr_db < 120
