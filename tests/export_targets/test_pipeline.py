"""``build`` from the command line, with a lowering that copies a file which was built before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_models.digits import digits
from edge_models.images import preprocess
from edge_models.spec import InputSpec
from export_targets.artifact import folder as artifact
from export_targets.artifact.folder import open_artifact
from export_targets.runner import RunnerError, all_runners
from export_targets.runners import host
from export_targets.target import Target
from tests.conftest import SMALL, EdgeformInProcess
from tests.export_targets.made_up import sign_again

pytestmark = pytest.mark.usefixtures("runner_here")

COMMAND = ("build", SMALL, "--target", "xnnpack", "--recipe", "fp32")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def breaking(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def lower(*_: Any) -> Any:
        raise error

    monkeypatch.setattr(Target, "lower", lower)


def test_a_build_says_what_it_made(
    without_lowering: Target, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    out = tmp_path / "artifact"
    ran = edgeform(*COMMAND, "--out", out, "--json")
    assert ran.code == 0
    assert set(ran.document) == {"artifact", "manifest", "parity"}
    assert ran.document["artifact"] == str(out)
    assert [hop["name"] for hop in ran.document["parity"]["hops"]] == ["edge", "lower", "chain"]
    assert names(tmp_path) == ["artifact"]


def test_without_json_the_tables_name_artifact_and_hops(
    without_lowering: Target, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform(*COMMAND, "--out", tmp_path / "artifact")
    assert ran.code == 0
    for word in ("delegates", "edge", "lower", "chain", "passed"):
        assert word in ran.out
    assert "Lowering to xnnpack" in ran.err


def test_the_default_place_is_artifacts_and_the_name(
    without_lowering: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert edgeform(*COMMAND).code == 0
    assert names(tmp_path / "artifacts") == [f"{SMALL}-xnnpack-fp32-64x64"]


def test_building_again_replaces_the_same_artifact(
    without_lowering: Target, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    out = tmp_path / "artifact"
    assert edgeform(*COMMAND, "--out", out).code == 0
    (out / "stale").write_text("old", encoding="utf-8")
    assert edgeform(*COMMAND, "--out", out).code == 0
    assert "stale" not in names(out)


def test_the_preprocessing_of_ones_own_training_is_the_artifacts(
    without_lowering: Target, digit_folders: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    out = tmp_path / "artifact"
    training = ("--mean", "0.1,0.2,0.3", "--std", "0.4,0.5,0.6", "--crop", "0.8")
    ran = edgeform(*COMMAND, "--out", out, *training, "--interpolation", "bicubic", "--json")
    assert ran.code == 0
    line = (
        "Preprocessing: shorter side to 80 (bicubic), centre crop 64x64, RGB / 255, "
        "mean 0.1 0.2 0.3, std 0.4 0.5 0.6"
    )
    assert line in ran.err.splitlines()
    assert ran.document["manifest"]["input"]["resize"] == {
        "size": 80,
        "interpolation": "bicubic",
        "crop": [64, 64],
        "mode": "crop",
    }
    evaluated = edgeform("evaluate", out, "--images", digit_folders, "--limit", 10, "--json")
    assert line.removeprefix("Preprocessing: ") == evaluated.document["preprocessing"]
    spec = InputSpec((64, 64), 0.8, "bicubic", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    opened = open_artifact(out)
    assert opened.manifest.input.spec == spec
    assert torch.equal(opened.inputs()[0, 0], preprocess(digits("held_out")[0][0], spec, (64, 64)))
    refused = edgeform(*COMMAND, "--out", out)
    assert refused.code == 2
    assert "preprocessing" in refused.err


def test_another_artifact_is_replaced_only_with_force(
    without_lowering: Target, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    out = tmp_path / "artifact"
    assert edgeform(*COMMAND, "--out", out, "--form", "edge").code == 0
    refused = edgeform(*COMMAND, "--out", out, "--form", "published")
    assert refused.code == 2
    assert "differs in form" in refused.err
    assert artifact.read_manifest(out).form == "edge"
    # the copied file is of the edge form, which the published one equals
    assert edgeform(*COMMAND, "--out", out, "--form", "published", "--force").code == 0
    assert artifact.read_manifest(out).form == "published"


def test_a_file_that_does_not_run_is_left_aside_with_the_reason(
    without_lowering: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    out = tmp_path / "artifact"
    assert edgeform(*COMMAND, "--out", out).code == 0
    runner, before = all_runners()["host"], (out / "manifest.json").read_bytes()

    def broken(*_: Any) -> Any:
        raise RunnerError("the runtime ended with 35 on model.pte")

    monkeypatch.setitem(all_runners(), "host", replace(runner, run=broken))
    ran = edgeform(*COMMAND, "--out", out)
    assert ran.code == 1
    failed = tmp_path / "artifact.failed"
    assert f"ended with 35 on model.pte; it is in {failed}" in ran.err
    assert names(failed) == ["model.pte", "reason.txt"]
    assert "ended with 35" in (failed / "reason.txt").read_text(encoding="utf-8")
    assert (out / "manifest.json").read_bytes() == before
    monkeypatch.setitem(all_runners(), "host", runner)
    assert edgeform(*COMMAND, "--out", out).code == 0
    assert names(tmp_path) == ["artifact"]


def test_a_foreign_folder_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    breaking(monkeypatch, AssertionError("lowered"))
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    ran = edgeform(*COMMAND, "--out", tmp_path)
    assert ran.code == 2
    assert names(tmp_path) == ["thesis.txt"]


@pytest.mark.parametrize(
    ("error", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 2)]
)
def test_a_build_that_ends_early_keeps_the_old_artifact(
    error: BaseException,
    code: int,
    without_lowering: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    out = tmp_path / "artifact"
    assert edgeform(*COMMAND, "--out", out).code == 0
    old = (out / "manifest.json").read_bytes()
    breaking(monkeypatch, error)
    ran = edgeform(*COMMAND, "--out", out)
    assert ran.code == code
    assert "Traceback" not in ran.err
    assert (out / "manifest.json").read_bytes() == old
    assert names(tmp_path) == ["artifact"]


def test_a_file_that_does_not_run_is_reported_without_a_traceback(
    without_lowering: Target,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    whole = without_lowering.lower

    def lower(_: Target, program: Any, lowering: Any, path: Path) -> Any:
        lowered = whole(program, lowering, path)
        path.write_bytes(path.read_bytes()[:1000])
        return lowered

    monkeypatch.setattr(Target, "lower", lower)
    monkeypatch.setitem(all_runners(), "host", host.RUNNER)  # in a process of its own
    ran = edgeform(*COMMAND, "--out", tmp_path / "artifact")
    assert ran.code == 1
    assert "model.pte" in ran.err


def test_images_that_the_recipe_does_not_need_are_left_with_a_note(
    without_lowering: Target, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform(*COMMAND, "--out", tmp_path / "artifact", "--calibration", "photos")
    assert ran.code == 0
    assert "fp32 needs no calibration: photos is not read" in " ".join(ran.err.split())


def test_labels_of_the_user_are_deployed(
    without_lowering: Target, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    labels = tmp_path / "names.txt"
    labels.write_text("".join(f"digit {i}\n" for i in range(10)), encoding="utf-8")
    out = tmp_path / "artifact"
    assert edgeform(*COMMAND, "--out", out, "--labels", labels).code == 0
    opened = artifact.open_artifact(out)
    assert opened.labels()[3] == "digit 3"
    sign_again(out)
    assert artifact.read_manifest(out).files == opened.manifest.files
