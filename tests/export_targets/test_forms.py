"""Builds that are not the default: the published form, other sizes, batches, heads; and again."""

import hashlib
from collections import Counter
from pathlib import Path

import pytest
import torch

from export_targets.artifact.folder import open_artifact
from export_targets.artifact.manifest import Manifest
from export_targets.pipeline import BuildResult
from export_targets.progress import silent_reporter
from export_targets.prove.evaluate import Choice, evaluate
from export_targets.prove.verify import verify
from export_targets.target import all_targets, target_named
from tests.conftest import SMALL, Built, EdgeformInProcess, Ran, in_own_process
from tests.daily import daily

pytestmark = pytest.mark.usefixtures("runner_here")


@pytest.fixture
def baseline(published: Ran) -> Manifest:
    return Manifest.model_validate(published.document["manifest"])


def test_the_published_form_builds_and_is_not_gated_for_wholeness(
    published: Ran, baseline: Manifest
) -> None:
    assert published.code == 0
    assert baseline.form == "published"
    assert baseline.name == f"{SMALL}-xnnpack-fp32-64x64-published"
    assert not baseline.delegation.whole
    assert baseline.delegation.delegates > 1
    assert {hop["status"] for hop in published.document["parity"]["hops"]} == {"passed"}


def test_the_manifest_names_what_fell_out_with_module_and_reason(baseline: Manifest) -> None:
    delegation = baseline.delegation
    assert Counter(item.operator for item in delegation.fallen) == delegation.undelegated
    assert all(item.operator and item.why for item in delegation.fallen)
    modules = {item.module for item in delegation.fallen}
    assert any(module.startswith("reference.layer") for module in modules), modules


def test_some_reason_is_the_partitioners_own(baseline: Manifest) -> None:
    reasons = {item.why for item in baseline.delegation.fallen}
    assert reasons != {"XNNPACK has no operator for it"}


def test_a_process_of_its_own_prints_one_document_and_no_traceback(published: Ran) -> None:
    assert set(published.document) == {"artifact", "manifest", "parity"}
    assert "Traceback" not in published.err
    assert "Warning" not in published.err


def test_verify_accepts_the_published_form(published: Ran, edgeform: EdgeformInProcess) -> None:
    assert edgeform("verify", published.document["artifact"]).code == 0


# Core ML files hold generated ids: test_matrix_coreml_pte.py compares all the rest
SAME_BYTES = [
    target.name
    for target in all_targets().values()
    if target.file == "model.pte" and "coreml" not in target.name
]


@pytest.mark.parametrize("target", daily(SAME_BYTES, ["xnnpack"]))
def test_the_same_request_gives_the_same_file_in_another_process(
    target: str, built: Built, tmp_path: Path
) -> None:
    recipe = target_named(target).default_recipe
    first = built(target=target, recipe=recipe).folder / "model.pte"
    out = tmp_path / "again"
    options = ["--recipe", recipe, "--out", str(out), "--no-verify", "--json"]
    ran = in_own_process("build", SMALL, "--target", target, *options, hash_seed="4711")
    assert ran.code == 0
    assert ran.document["parity"] is None
    assert not (out / "parity.json").exists()
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, out / "model.pte")]
    assert digests[0] == digests[1]


@pytest.fixture(scope="module")
def wide(built: Built) -> BuildResult:
    return built("digits_conformer", size=(64, 96))


@pytest.fixture(scope="module")
def paired(built: Built) -> BuildResult:
    return built(batch=2)


@pytest.fixture(scope="module")
def two_headed(built: Built) -> BuildResult:
    return built("digits_conformer", heads="both")


@pytest.mark.parametrize("name", ["wide", "paired", "two_headed"])
def test_gates_hold_and_the_file_is_whole(name: str, request: pytest.FixtureRequest) -> None:
    result: BuildResult = request.getfixturevalue(name)
    assert result.problems == ()
    assert result.manifest.delegation.whole
    assert verify(result.folder, None, None, False, silent_reporter()).problems == ()


def test_height_and_width_are_not_confused(wide: BuildResult) -> None:
    assert wide.manifest.name == "digits_conformer-xnnpack-fp32-64x96"
    assert wide.manifest.input.shape == (1, 3, 64, 96)
    assert wide.manifest.input.resize.crop == (64, 96)
    assert tuple(open_artifact(wide.folder).inputs().shape[2:]) == (3, 64, 96)


def test_the_name_carries_the_batch(paired: BuildResult) -> None:
    assert paired.manifest.name.endswith("-64x64-b2")
    assert paired.manifest.input.shape == (2, 3, 64, 64)
    assert paired.manifest.output.shape == (2, 10)
    images = sorted(path.name for path in (paired.folder / "golden").glob("image_0*"))
    assert images == ["image_0_0.png", "image_0_1.png"]


def test_a_batch_gives_the_logits_of_its_images(paired: BuildResult, built: Built) -> None:
    pairs = open_artifact(paired.folder).logits("file")
    single = open_artifact(built().folder).logits("file")
    assert torch.allclose(pairs[:8].flatten(0, 1), single[:, 0], rtol=1e-4, atol=1e-4)


def test_a_batch_is_evaluated_image_by_image(paired: BuildResult, digit_folders: Path) -> None:
    report = evaluate(paired.folder, Choice(digit_folders, 21), None, False, silent_reporter())
    assert report.samples == 21  # the last one alone in its batch
    assert {program.agreement for program in report.programs} == {1.0}


def test_fewer_images_than_a_batch_are_refused(
    paired: BuildResult, digit_folders: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("evaluate", paired.folder, "--images", digit_folders, "--limit", 1)
    assert ran.code == 2
    assert "batch" in ran.err


def test_both_heads_are_two_outputs_whose_mean_is_the_default(
    two_headed: BuildResult, built: Built
) -> None:
    both = open_artifact(two_headed.folder).logits("file")
    mean = open_artifact(built("digits_conformer").folder).logits("file")
    assert two_headed.manifest.output.heads == "both"
    assert tuple(both.shape) == (16, 2, 10)
    assert not torch.allclose(both[:, 0], both[:, 1], atol=0.1)
    assert torch.allclose(both.mean(1), mean[:, 0], rtol=1e-4, atol=1e-4)


def test_both_heads_are_evaluated_as_their_mean(
    two_headed: BuildResult, built: Built, digit_folders: Path
) -> None:
    reports = [
        evaluate(result.folder, Choice(digit_folders, 50), None, False, silent_reporter()).programs
        for result in (two_headed, built("digits_conformer"))
    ]
    assert reports[0] == reports[1]
