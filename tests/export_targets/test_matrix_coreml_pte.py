"""The target coreml_pte on every embedded model: whole, damage refused; Core ML files repeat."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from edge_models.spec import InputSpec
from export_targets.artifact.folder import open_artifact
from export_targets.interpret.coreml_pte import BACKEND, read_delegate
from export_targets.interpret.mil.read import MANIFEST, read_package
from export_targets.interpret.refusal import RefusedError
from export_targets.target import Lowering, target_named
from quantize.recipe import recipe_named
from tests.conftest import Built, in_own_process
from tests.daily import daily
from tests.export_targets.matrix import Matrix

MODEL = "digits_cotnet_simple"
PRODUCTS = ("conv", "linear", "relu", "avg_pool", "reduce_max", "real_div")


class TestCoreMLPte(Matrix):
    target = "coreml_pte"
    with_every_recipe = MODEL  # what a delegate holds is the program of the target coreml


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


def test_a_file_of_another_backend_is_refused(built: Built, tmp_path: Path) -> None:
    content = open_artifact(built(MODEL, "coreml_pte", "fp16").folder).model.read_bytes()
    assert content.count(BACKEND.encode()) == 1
    (tmp_path / "model.pte").write_bytes(content.replace(BACKEND.encode(), b"OtherBackend!"))
    with pytest.raises(RefusedError, match="not one delegate of CoreMLBackend"):
        read_delegate(tmp_path / "model.pte")


ID = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def files_without_ids(model: Path, folder: Path) -> dict[str, object]:
    """Every file of a package, or of the delegate inside a ``.pte``, without generated ids."""
    from executorch.backends.apple.coreml import executorchcoreml
    from executorch.exir._serialize._program import deserialize_pte_binary

    if model.is_file():
        folder.mkdir()
        (data,) = deserialize_pte_binary(model.read_bytes()).program.backend_delegate_data
        executorchcoreml.unflatten_directory_contents(bytes(data.data), str(folder))
        model = folder
    found: dict[str, object] = {}
    for path in (path for path in model.rglob("*") if path.is_file()):
        name, content = path.relative_to(model).as_posix(), path.read_bytes()
        found[name] = ID.sub(b"", content)
        if path.name == MANIFEST:  # its entries stand in the order of their ids
            manifest = json.loads(content)
            entries = manifest.pop("itemInfoEntries")
            root = entries[manifest.pop("rootModelIdentifier")]
            found[name] = manifest, root, sorted(map(json.dumps, entries.values()))
    return found


@pytest.mark.parametrize("target", daily(["coreml", "coreml_pte"], ["coreml"]))
def test_the_same_request_gives_the_same_file_in_another_process(
    target: str, built: Built, tmp_path: Path
) -> None:
    first = open_artifact(built(MODEL, target, "fp16").folder).model
    out = tmp_path / "again"
    options = ["--target", target, "--recipe", "fp16", "--out", str(out), "--no-verify"]
    ran = in_own_process("build", MODEL, *options, hash_seed="4711")
    assert ran.code == 0
    assert "specification version" not in ran.err  # a warning that asks for an option of its own
    models = (first, out / first.name)
    files = [files_without_ids(model, tmp_path / f"{i}") for i, model in enumerate(models)]
    assert {Path(name).name for name in files[0]} >= {MANIFEST, "model.mlmodel", "weight.bin"}
    assert files[0] == files[1]


@pytest.mark.parametrize("target", ["coreml", "coreml_pte"])
def test_what_was_converted_before_changes_no_name(target: str, tmp_path: Path) -> None:
    """As a conversion leaves the converter that ended in an error."""
    from coremltools.converters.mil.mil import Builder

    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    chosen, recipe = target_named(target), recipe_named("fp16")
    options = {**chosen.choose(recipe, {}), "input": "tensor", "output": "logits"}
    facts = {"model": "small", "size": "8x8", "version": "0"}
    lowering = Lowering(recipe, InputSpec((8, 8)), options, (), facts)
    files = []
    for used in (0, 12):
        for operator in ("cast", "linear"):
            Builder.name_count[operator] = used
        path = tmp_path / f"{used}" / chosen.file
        path.parent.mkdir()
        chosen.lower(torch.export.export(module, (torch.zeros(1, 3, 8, 8),)), lowering, path)
        files.append(files_without_ids(path, tmp_path / f"files {used}"))
    assert files[0] == files[1]
