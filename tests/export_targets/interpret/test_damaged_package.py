"""A damaged package: the interpreter computes what it holds or refuses it, and says why."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from edge_models.errors import RunnerError
from export_targets.artifact.folder import open_artifact
from export_targets.interpret.mil.execute import execute
from export_targets.interpret.mil.formats import messages
from export_targets.interpret.mil.read import read_package
from export_targets.interpret.refusal import RefusedError
from export_targets.progress import silent_reporter
from export_targets.prove.verify import verify
from tests.bad_input import mutated
from tests.conftest import Built, Copied
from tests.export_targets.interpret.converted import convert, save
from tests.export_targets.made_up import sign_again

SHAPE = (1, 3, 6, 5)
PROGRAM = "Data/com.apple.CoreML/model.mlmodel"
WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
Change = Callable[[Any], object]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 10))
    model = convert(module, (torch.randn(SHAPE),), "float16")
    return save(model, tmp_path_factory.mktemp("package"))


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy.mlpackage"))


def computed(package: Path) -> list[Tensor]:
    """What the interpreter gives on the package: the outputs. Raises RefusedError."""
    program = read_package(package)
    generator = torch.Generator().manual_seed(1)
    inputs = {i.name: torch.randn(i.type.shape, generator=generator) for i in program.inputs}
    return [value for value in execute(program, inputs).values() if isinstance(value, Tensor)]


def computed_or_refused(package: Path) -> list[Tensor] | None:
    """The outputs, or None where the package is refused with a reason."""
    try:
        return computed(package)
    except RefusedError as error:
        if not str(error):
            raise
        return None


def edit(package: Path, change: Change) -> None:
    """Change the program's message, and write it back as valid protobuf."""
    path = package / PROGRAM
    model = messages("Model_pb2").Model()
    model.ParseFromString(path.read_bytes())
    change(model)
    path.write_bytes(model.SerializeToString())


def block(model: Any) -> Any:
    function = model.mlProgram.functions["main"]
    return function.block_specializations[function.opset]


def operation(model: Any, kind: str) -> Any:
    return next(item for item in block(model).operations if item.type == kind)


def rename_operator(model: Any) -> None:
    operation(model, "relu").type = "rectify"


def newer_opset(model: Any) -> None:
    function = model.mlProgram.functions["main"]
    function.block_specializations["CoreML99"].CopyFrom(block(model))
    function.opset = "CoreML99"


def unknown_argument(model: Any) -> None:
    conv = operation(model, "conv")
    conv.inputs["rounding"].CopyFrom(conv.inputs["groups"])


def drop_argument(model: Any) -> None:
    del operation(model, "conv").inputs["weight"]


def wrong_shape(model: Any) -> None:
    declared = operation(model, "relu").outputs[0].type.tensorType
    declared.dimensions[1].constant.size = 7


def wrong_type(model: Any) -> None:
    operation(model, "relu").outputs[0].type.tensorType.dataType = 21  # INT8


def use_before_it_is_computed(model: Any) -> None:
    operation(model, "conv").inputs["x"].arguments[0].name = "nowhere"


def weights_elsewhere(model: Any) -> None:
    for item in block(model).operations:
        if item.type == "const" and item.attributes["val"].HasField("blobFileValue"):
            item.attributes["val"].blobFileValue.fileName = "@model_path/../../../secret"


def offset_beyond(model: Any) -> None:
    for item in block(model).operations:
        if item.type == "const" and item.attributes["val"].HasField("blobFileValue"):
            item.attributes["val"].blobFileValue.offset += 10**9


def no_output(model: Any) -> None:
    del model.description.output[:]


def other_kind(model: Any) -> None:
    model.neuralNetwork.SetInParent()


CHANGES: list[tuple[Change, str]] = [
    (rename_operator, "operator rectify is not known"),
    (newer_opset, "operator set 'CoreML99' is not known"),
    (unknown_argument, "rounding"),
    (drop_argument, "weight"),
    (wrong_shape, "the program declares"),
    (wrong_type, "the program declares|is not known"),
    (use_before_it_is_computed, "nowhere"),
    (weights_elsewhere, "outside"),
    (offset_beyond, "truncated"),
    (no_output, "outputs"),
    (other_kind, "neuralNetwork"),
]


@pytest.mark.parametrize(("change", "said"), CHANGES, ids=[c.__name__ for c, _ in CHANGES])
def test_an_altered_program_is_refused_by_name(copy: Path, change: Change, said: str) -> None:
    edit(copy, change)
    with pytest.raises(RefusedError, match=said):
        computed(copy)


@pytest.mark.parametrize("size", [0, 63, 200, 900])
def test_a_truncated_weight_file_is_refused(copy: Path, size: int) -> None:
    content = (copy / WEIGHTS).read_bytes()
    (copy / WEIGHTS).write_bytes(content[:size])
    with pytest.raises(RefusedError, match="truncated"):
        computed(copy)


def test_a_missing_weight_file_is_refused(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    with pytest.raises(RefusedError, match=r"weight\.bin is missing"):
        computed(copy)


@pytest.mark.parametrize("value", ["", "[]", "{}", '{"rootModelIdentifier": 1}', "\0" * 9])
def test_a_wrong_manifest_is_refused(copy: Path, value: str) -> None:
    (copy / "Manifest.json").write_text(value, encoding="utf-8")
    with pytest.raises(RefusedError, match=r"Manifest\.json"):
        computed(copy)


@pytest.mark.parametrize("path", ["../model.mlmodel", "/etc/hostname", "com.apple.CoreML/absent"])
def test_a_manifest_that_leads_elsewhere_is_refused(copy: Path, path: str) -> None:
    manifest = json.loads((copy / "Manifest.json").read_text(encoding="utf-8"))
    manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = path
    (copy / "Manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(RefusedError, match=r"leads outside|is missing"):
        computed(copy)


@pytest.mark.parametrize("name", [PROGRAM, WEIGHTS, "Manifest.json"])
@given(data=st.data())
def test_mutated_bytes_are_computed_or_refused(
    package: Path, tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("mutated") / "copy.mlpackage"
    shutil.copytree(package, folder)
    content = (package / name).read_bytes()
    (folder / name).write_bytes(data.draw(mutated(content)))
    try:
        outputs = computed_or_refused(folder)
    finally:
        shutil.rmtree(folder)
    assert outputs is None or [tuple(output.shape) for output in outputs] == [(1, 10)]


def test_verify_refuses_a_damaged_program_whose_digests_match(built: Built, copied: Copied) -> None:
    folder = copied(built("digits_cotnet_simple", "coreml", "fp16").folder)
    edit(folder / "model.mlpackage", rename_operator)
    sign_again(folder)
    with pytest.raises(RunnerError, match="rectify is not known"):
        verify(folder, None, None, False, silent_reporter())


def test_verify_fails_where_weights_changed_and_digests_match(built: Built, copied: Copied) -> None:
    folder = copied(built("digits_cotnet_simple", "coreml", "fp16").folder)
    weights = open_artifact(folder).model / WEIGHTS
    content = bytearray(weights.read_bytes())
    content[len(content) // 4 : -len(content) // 4] = bytes(len(content) // 2)
    weights.write_bytes(content)
    sign_again(folder)
    try:
        problems = verify(folder, None, None, False, silent_reporter()).problems
    except RunnerError as error:
        problems = (str(error),)
    assert problems
