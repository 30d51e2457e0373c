"""The target coreml_pte: the program inside the ``.pte`` is whole, and damage is refused."""

from pathlib import Path

import pytest

from export_targets.artifact import open_artifact
from export_targets.interpret.coreml_pte import read_delegate
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.refusal import RefusedError
from tests.conftest import Built

MODEL = "digits_cotnet_simple"
PRODUCTS = ("conv", "linear", "relu", "avg_pool", "reduce_max", "real_div")


def test_the_delegate_holds_the_products_of_the_package(built: Built) -> None:
    package = read_package(open_artifact(built(MODEL, "coreml", "fp16").folder).model)
    delegate = read_delegate(open_artifact(built(MODEL, "coreml_pte", "fp16").folder).model)
    assert delegate.opset == package.opset == "CoreML7"
    for name in PRODUCTS:
        assert delegate.inventory.get(name) == package.inventory.get(name)
    assert [entry.kind for entry in delegate.inputs] == ["tensor"]


def test_int8_stays_int8_inside_the_delegate(built: Built) -> None:
    delegate = read_delegate(open_artifact(built(MODEL, "coreml_pte", "int8").folder).model)
    weights = delegate.inventory["constexpr_affine_dequantize"]
    assert weights == delegate.inventory["conv"] + delegate.inventory["linear"]
    assert delegate.inventory["quantize"] > 10


@pytest.mark.parametrize("share", [0.0, 0.01, 0.6, 0.95])
def test_a_truncated_file_is_refused(built: Built, tmp_path: Path, share: float) -> None:
    content = open_artifact(built(MODEL, "coreml_pte", "fp16").folder).model.read_bytes()
    (tmp_path / "model.pte").write_bytes(content[: int(len(content) * share)])
    with pytest.raises(RefusedError):
        read_delegate(tmp_path / "model.pte")


def test_a_file_of_another_backend_is_refused(built: Built) -> None:
    with pytest.raises(RefusedError, match="not one delegate of CoreMLBackend"):
        read_delegate(open_artifact(built().folder).model)
