"""A network of one's own through the whole pipeline: its artifact, and what reads it."""

import json
from pathlib import Path
from typing import Any

import pytest
from torch import nn

import edgeform as api
from edge_models.photographs import photographs, views
from export_targets.artifact.folder import REFERENCE_PROGRAM, open_artifact
from export_targets.pipeline import BuildResult
from export_targets.plan import resolve
from export_targets.prove.hops import hop_specs
from tests.conftest import Built, EdgeformInProcess

pytestmark = pytest.mark.usefixtures("runner_here")

FILE = Path(__file__).with_name("own_networks.py")
MISTAKES = Path(__file__).parents[1] / "edge_models" / "own_mistakes.py"
HEADS, DIGITS, OUTSIDE = (f"{FILE}:{name}" for name in ("heads", "digits", "outside"))
SIZE = (48, 64)
TENSORS = [("mask", (1, 8, 24, 32)), ("score", (1, 4))]
PAIRS = [("xnnpack", "fp32"), ("xnnpack", "int8"), ("coreml", "fp16")]
SLOW_PAIRS = [("vulkan", "fp16"), ("coreml_pte", "fp16")]


def heads(built: Built, target: str, recipe: str) -> BuildResult:
    calibration = "synthetic" if recipe == "int8" else None
    return built(HEADS, target, recipe, size=SIZE, calibration=calibration, calibration_samples=16)


def own_digits(built: Built) -> BuildResult:
    mean = std = (0.5, 0.5, 0.5)
    return built(DIGITS, size=(64, 64), mean=mean, std=std, resize="stretch")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(views(photographs(), 8, seed=3)):
        image.save(folder / f"{number}.png")
    return folder


def hops(document: dict[str, Any]) -> dict[str, str]:
    return {hop["name"]: hop["status"] for hop in document["hops"]}


@pytest.mark.parametrize(
    ("target", "recipe"),
    [*PAIRS, *(pytest.param(*pair, marks=pytest.mark.full) for pair in SLOW_PAIRS)],
)
def test_each_output_is_proven_on_each_target(target: str, recipe: str, built: Built) -> None:
    result = heads(built, target, recipe)
    assert result.problems == ()
    manifest = result.manifest
    output = manifest.output
    assert [(tensor.name, tensor.shape) for tensor in output.tensors] == TENSORS
    assert (output.kind, output.shape) == ("tensors", (1, 8 * 24 * 32 + 4))
    assert (manifest.model.name, manifest.model.classes) == ("own_networks.heads", 0)
    assert manifest.recognized == ()
    assert manifest.selftest.top1 == 0.0
    assert result.parity is not None
    assert [hop.name for hop in result.parity.hops] == [spec.name for spec in hop_specs(manifest)]
    for hop in result.parity.hops:
        assert [tensor.name for tensor in hop.tensors] == ["mask", "score"]
        assert hop.sqnr_db == min(tensor.sqnr_db for tensor in hop.tensors)
        assert hop.top1_agreement is None
    opened = open_artifact(result.folder)
    assert opened.logits("file").shape == (manifest.golden.samples, 1, output.shape[1])
    assert opened.lists(REFERENCE_PROGRAM)


def test_what_falls_out_is_named_by_its_module_and_fails_no_gate(
    edgeform: EdgeformInProcess, tmp_path: Path
) -> None:
    options = ("--recipe", "fp32", "--size", "32x32", "--out", tmp_path / "out", "--json")
    ran = edgeform("build", OUTSIDE, "--target", "xnnpack", *options)
    assert ran.code == 0, ran.err
    assert f"{OUTSIDE} was run as your own code" in ran.err
    assert "no known layer was recognized" in ran.err
    assert "cumsum of 1 fell out: " in ran.err
    fallen = ran.document["manifest"]["delegation"]["fallen"]
    assert [(item["operator"], item["module"]) for item in fallen] == [("cumsum", "1")]


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("branches_by_values", "does not export: gate: "),
        ("counts_by_values", "shapes in gate depend on what the image shows"),
        ("with_a_custom_operator", "own_mistakes::double of gate"),
    ],
)
def test_what_does_not_export_is_bad_input(
    function: str, what: str, edgeform: EdgeformInProcess, tmp_path: Path
) -> None:
    options = ("--target", "xnnpack", "--recipe", "fp32", "--size", "32", "--out", tmp_path / "out")
    ran = edgeform("build", f"{MISTAKES}:{function}", *options)
    assert ran.code == 2
    assert what in ran.err
    assert not (tmp_path / "out").exists()


@pytest.mark.full
def test_a_custom_operator_inside_a_recognized_layer_does_not_stay(
    edgeform: EdgeformInProcess, images: Path, tmp_path: Path
) -> None:
    place, out = f"{FILE}:custom_operator", tmp_path / "out"
    options = ("--recipe", "fp32", "--size", "32", "--out", out, "--json")
    ran = edgeform("build", place, "--target", "xnnpack", *options)
    assert ran.code == 0, ran.err
    assert "the network as it is does not export" in ran.err
    (layer,) = ran.document["manifest"]["recognized"]
    assert (layer["module"], layer["kind"]) == ("1", "OfficialCoTLayer")
    refused = edgeform("verify", out, "--images", images, "--trust-graphs")
    assert refused.code == 2
    assert "it holds no FP32 program" in refused.err
    published = edgeform(
        "build",
        place,
        "--target",
        "xnnpack",
        *options[:-2],
        tmp_path / "naive",
        "--form",
        "published",
    )
    assert published.code == 2
    assert "does not export: 1: " in published.err


def test_verify_of_new_images_needs_the_network_or_trust(
    built: Built, edgeform: EdgeformInProcess, images: Path
) -> None:
    folder = heads(built, "xnnpack", "int8").folder
    stored = edgeform("verify", folder, "--json")
    assert (stored.code, set(hops(stored.document).values())) == (0, {"passed"})
    refused = edgeform("verify", folder, "--images", images)
    assert refused.code == 2
    assert "is in no catalog" in refused.err
    assert "--model FILE.py:FUNCTION, or --trust-graphs" in refused.err
    trusted = edgeform("verify", folder, "--images", images, "--trust-graphs", "--json")
    assert trusted.code == 0, trusted.err
    expected = {"edge": "skipped", "quantize": "skipped", "lower": "passed", "chain": "passed"}
    assert hops(trusted.document) == expected
    given = edgeform("verify", folder, "--images", images, "--model", HEADS, "--json")
    assert given.code == 0, given.err
    expected = {"edge": "passed", "quantize": "skipped", "lower": "skipped", "chain": "passed"}
    assert hops(given.document) == expected
    other = edgeform("verify", folder, "--images", images, "--model", f"{FILE}:other_heads")
    assert other.code == 2
    assert "is not that of" in other.err


def test_a_program_of_unchanged_numbers_is_its_own_edge_form(
    built: Built, edgeform: EdgeformInProcess, images: Path
) -> None:
    folder = heads(built, "xnnpack", "fp32").folder
    ran = edgeform("verify", folder, "--images", images, "--trust-graphs", "--json")
    assert (ran.code, set(hops(ran.document).values())) == (0, {"passed"})


def test_the_network_of_a_catalog_model_is_not_asked_for(
    built: Built, edgeform: EdgeformInProcess, images: Path
) -> None:
    ran = edgeform("verify", built().folder, "--images", images, "--model", HEADS)
    assert ran.code == 2
    assert "Leave --model away" in ran.err


def test_logits_are_evaluated_and_tensors_are_not(
    built: Built, edgeform: EdgeformInProcess, digit_folders: Path
) -> None:
    folder = own_digits(built).folder
    options = ("--images", digit_folders, "--limit", "40", "--json")
    ran = edgeform("evaluate", folder, "--model", DIGITS, *options)
    assert ran.code == 0, ran.err
    reference, saved = ran.document["programs"]
    assert saved["agreement"] == 1.0
    assert reference["top1"] > 0.5  # a nearest mean is right that often
    tensors = edgeform("evaluate", heads(built, "xnnpack", "fp32").folder, *options)
    assert tensors.code == 2
    assert "not logits of classes" in json.loads(tensors.out)["error"]["what"]


def test_stretching_cuts_nothing_off(built: Built) -> None:
    manifest = own_digits(built).manifest
    assert (manifest.input.resize.mode, manifest.input.spec.resize) == ("stretch", "stretch")
    assert manifest.input.preprocessing().startswith("stretched to 64x64 (bicubic)")


def test_a_module_stays_float_where_it_is_asked_for(built: Built, tmp_path: Path) -> None:
    options = {"size": SIZE, "calibration": "synthetic", "calibration_samples": 16}
    result = built(HEADS, "xnnpack", "int8", keep_float=("body.0",), **options)
    ruled = {m.module for m in result.manifest.float_modules if m.rule.startswith("body.0: --keep")}
    assert ruled == {"body.0"}
    without = {m.module for m in heads(built, "xnnpack", "int8").manifest.float_modules}
    assert "body.0" not in without
    request = api.BuildRequest(
        HEADS, "xnnpack", "int8", keep_float=("bdy.0",), out=tmp_path / "out", **options
    )
    with pytest.raises(api.InputError, match=r"no module bdy\.0") as error:
        api.build(request)
    assert "body.0" in error.value.remedy


@pytest.mark.parametrize(("side", "samples"), [(64, 16), (600, 11), (2048, 4)])
def test_large_outputs_are_kept_for_fewer_images(side: int, samples: int) -> None:
    network = nn.Conv2d(3, 4, 1).eval()
    asked = api.BuildRequest("mine", "xnnpack", "fp32", module=network, size=(side, side))
    assert resolve(asked).golden_samples == samples


def test_a_module_in_python_is_built_and_verified_with_itself(images: Path, tmp_path: Path) -> None:
    from tests.export_targets.own_networks import digits as make

    network = make()
    request = api.BuildRequest(
        "mine", "xnnpack", "fp32", module=network, size=(64, 64), out=tmp_path / "out"
    )
    built = api.build(request)
    assert built.problems == ()
    assert built.manifest.weights.source == "network"
    verified = api.verify(built.folder, images=images, network=network)
    assert verified.problems == ()


def test_the_page_shows_every_tensor(built: Built, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    api.report([heads(built, "xnnpack", "fp32").folder], page)
    text = page.read_text(encoding="utf-8")
    assert "in which no known layer was recognized" in text
    assert text.count("<td>mask</td>") == text.count("<td>score</td>") == 3


def test_a_baseline_needs_the_network(built: Built, edgeform: EdgeformInProcess) -> None:
    folder = heads(built, "xnnpack", "fp32").folder
    ran = edgeform("profile", folder, "--baseline", "published")
    assert ran.code == 2
    assert "--model FILE.py:FUNCTION" in ran.err
