"""The target coreml: what stands in the package, its options, its compressed weights."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.digits import digits
from edge_models.errors import InputError
from edge_models.images import resize_and_crop
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.interpret.mil.execute import execute
from export_targets.interpret.mil.program import Program
from export_targets.interpret.mil.read import read_package
from export_targets.lowering.coreml.convert import LABEL, LOGITS
from export_targets.plan import resolve, settle
from export_targets.request import BuildRequest
from tests.conftest import Built

MODEL = "digits_conformer"


def program_of(artifact: Artifact) -> Program:
    return read_package(artifact.model)


def opened(built: Built, recipe: str, **options: str) -> Artifact:
    extra = {"options": {name.replace("_", "-"): value for name, value in options.items()}}
    return open_artifact(built(MODEL, "coreml", recipe, **(extra if options else {})).folder)


def test_a_picture_goes_in_and_a_class_comes_out(built: Built) -> None:
    artifact = opened(built, "fp32")
    manifest, program = artifact.manifest, program_of(artifact)
    assert manifest.target.options == {
        "input": "image",
        "output": "class",
        "minimum-deployment": "iOS17",
    }
    assert (manifest.input.kind, manifest.input.normalization) == ("image", "model")
    assert (manifest.input.name, program.inputs[0].name) == ("image", "image")
    assert program.inputs[0].kind == manifest.input.kind
    assert manifest.output.kind == "class"
    assert program.opset == "CoreML7"
    kinds = {output.name: output.kind for output in program.outputs}
    assert kinds == {LABEL: "string", f"{LABEL}_probs": "dictionary", LOGITS: "tensor"}
    labels = artifact.labels()
    for sample, expected in zip(artifact.inputs(), artifact.logits("file"), strict=True):
        results = execute(program, {"image": sample})
        assert results[LABEL] == labels[int(expected.argmax())]
        probabilities = results[f"{LABEL}_probs"]
        assert isinstance(probabilities, Tensor)
        torch.testing.assert_close(probabilities, expected.softmax(-1))


def test_golden_inputs_are_the_pixels_of_the_golden_images(built: Built) -> None:
    artifact = opened(built, "fp32")
    spec = model_spec(MODEL).input
    pixels = artifact.inputs()
    assert torch.equal(pixels, pixels.round())
    assert pixels.min().item() >= 0
    assert 200 < pixels.max().item() <= 255
    cropped = resize_and_crop(digits("held_out")[0][0], spec, (64, 64))
    exact = torch.frombuffer(bytearray(cropped.tobytes()), dtype=torch.uint8).view(64, 64, 3)
    assert torch.equal(pixels[0, 0], exact.permute(2, 0, 1).float())


def test_a_tensor_goes_in_and_logits_come_out(built: Built) -> None:
    artifact = opened(built, "fp16", input="tensor", output="logits", minimum_deployment="iOS16")
    manifest, program = artifact.manifest, program_of(artifact)
    assert (manifest.input.kind, manifest.input.normalization) == ("tensor", "caller")
    assert manifest.output.kind == "logits"
    assert (program.inputs[0].name, program.inputs[0].kind) == ("input", "tensor")
    assert [(output.name, output.kind) for output in program.outputs] == [(LOGITS, "tensor")]
    assert program.opset == "CoreML6"


def test_two_heads_are_two_outputs_without_a_class(built: Built) -> None:
    artifact = open_artifact(built(MODEL, "coreml", "fp32", heads="both").folder)
    assert artifact.manifest.output.kind == "logits"
    names = [output.name for output in program_of(artifact).outputs]
    assert names == [f"{LOGITS}_0", f"{LOGITS}_1"]
    assert tuple(artifact.logits("file").shape) == (16, 2, 10)


def test_the_package_says_what_it_is_and_where_it_comes_from(built: Built) -> None:
    artifact = opened(built, "fp32")
    shown = program_of(artifact).metadata
    assert shown["edgeform.name"] == artifact.manifest.name
    assert shown["edgeform.weights"] == artifact.manifest.weights.sha256
    assert shown["versionString"] == artifact.manifest.toolchain["edgeform"]
    assert MODEL in shown["shortDescription"]
    assert shown["author"]
    assert shown["license"]


@pytest.mark.parametrize(
    ("recipe", "options", "named"),
    [
        ("int8", {"minimum-deployment": "iOS16"}, "iOS16"),
        ("fp16", {"minimum-deployment": "iOS15"}, "iOS15"),
        ("fp16", {"input": "picture"}, "picture"),
        ("fp16", {"colour": "red"}, "colour"),
    ],
)
def test_what_is_not_possible_is_refused_by_name(
    recipe: str, options: dict[str, str], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        resolve(BuildRequest(MODEL, "coreml", recipe, options=options))


def test_a_class_needs_names_and_a_picture_a_batch_of_one(built: Built, tmp_path: Path) -> None:
    for extra, option in (({"batch": 2}, "input"), ({"heads": "both"}, "output")):
        value = {"input": "image", "output": "class"}[option]
        with pytest.raises(InputError, match=f"The {option} {value} is not possible"):
            built(MODEL, "coreml", "fp32", options={option: value}, **extra)


def test_two_classes_of_one_name_are_no_dictionary() -> None:
    plan = resolve(BuildRequest(MODEL, "coreml", "fp32"))
    with pytest.raises(InputError, match="Two classes are named 'crane'"):
        settle(plan, ("crane", "kite", "crane"))
    assert settle(plan, ("crane", "kite")).options["output"] == "class"
    logits = resolve(BuildRequest(MODEL, "coreml", "fp32", options={"output": "logits"}))
    assert settle(logits, ("crane", "kite", "crane")).options["output"] == "logits"
