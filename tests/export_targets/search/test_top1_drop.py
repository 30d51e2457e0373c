"""``build --top1-drop`` on an embedded model, which images count as lost, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import edgeform as api
from edge_models.digits import digits
from edge_models.parity import wilson_interval
from export_targets.artifact.manifest import AgreementSection, Manifest
from export_targets.pipeline import BuildResult
from export_targets.plan import read_labels, resolve
from export_targets.progress import silent_reporter
from export_targets.search.images import Half, to_agree_on
from export_targets.search.lost import lost, lost_by_one_answer, right
from tests.conftest import SMALL, Built, EdgeformInProcess
from tests.export_targets.search.conftest import Planted
from tests.faults import reverse_classes

pytestmark = pytest.mark.usefixtures("runner_here")
ASKED = 0.02
REQUEST = api.BuildRequest(SMALL, "xnnpack", recipe="int8", top1_drop=ASKED)


@pytest.fixture(scope="module")
def dropped(built: Built) -> BuildResult:
    return built(SMALL, "xnnpack", "int8", top1_drop=ASKED)


def answers(*classes: int) -> Tensor:
    """Logits of as many images, (images, 1, 3)."""
    return torch.eye(3)[list(classes)].unsqueeze(1)


def test_top1_falls_by_no_more_than_was_asked_for(dropped: BuildResult, tmp_path: Path) -> None:
    assert dropped.problems == ()
    found = dropped.manifest.agreement
    assert found is not None
    assert found.top1 is not None
    assert (found.kind, found.asked) == ("top1_drop", ASKED)
    assert (found.searched, found.judged) == (225, 225)
    assert found.top1.reference > 0.95
    net = (found.top1.lost - found.top1.gained) / found.judged
    assert found.top1.reference - found.top1.file == pytest.approx(net)
    assert found.top1.interval == wilson_interval(found.top1.lost, found.judged)
    assert found.top1.interval[1] <= ASKED
    assert Manifest.model_validate_json(dropped.manifest.model_dump_json()) == dropped.manifest
    page = api.report([dropped.folder], tmp_path / "page.html").read_text()
    assert "Fall of top-1 asked for" in page
    assert "Agreement asked for" not in page


def test_a_manifest_of_an_agreement_without_a_kind_is_read(dropped: BuildResult) -> None:
    content = json.loads(dropped.manifest.model_dump_json())["agreement"]
    del content["kind"], content["top1"]
    found = AgreementSection.model_validate(content)
    assert (found.kind, found.top1) == ("agreement", None)


def test_a_wrong_file_loses_too_much(
    planted: Planted, edgeform: EdgeformInProcess, tmp_path: Path
) -> None:
    planted(reverse_classes)
    out = tmp_path / "out"
    options = ("--recipe", "int8", "--top1-drop", str(ASKED), "--out", str(out))
    ran = edgeform("build", SMALL, "--target", "xnnpack", *options)
    assert ran.code == 1
    assert "top-1 drop: " in ran.err
    assert f"ask for more than {ASKED}, or try --recipe int8_dynamic" in ran.err
    assert "FP32 top-1" in ran.out
    assert not out.exists()


def test_an_image_is_lost_where_a_right_answer_becomes_a_wrong_one() -> None:
    classes = torch.tensor([0, 1, 2, 2]).view(4, 1)
    reference, file = answers(0, 1, 0, 1), answers(0, 2, 2, 0)
    assert right(reference, classes).tolist() == [True, True, False, False]
    assert lost(reference, file, 1, classes).tolist() == [False, True, False, False]
    assert lost(reference, file, 1).tolist() == [False, True, True, True]


def test_each_image_of_a_batch_counts_and_both_heads_answer_as_one() -> None:
    classes = torch.tensor([[0, 1]])
    reference = answers(0, 1, 0, 1).view(1, 4, 3)  # two heads of two images
    file = reference.clone()
    file[0, 3] = torch.tensor([0.5, 0.4, 0.0])  # the second image, by its second head
    assert lost(reference, file, 2).tolist() == [False, True]
    assert lost(reference, file, 2, classes).tolist() == [False, False]
    file[0, 3, 0] = 2
    assert lost(reference, file, 2, classes).tolist() == [False, True]


def test_what_one_answer_to_all_images_loses() -> None:
    reference = answers(0, 0, 1, 2)
    assert lost_by_one_answer(reference, torch.tensor([[0], [0], [1], [0]])) == 1
    assert lost_by_one_answer(reference, torch.tensor([[1], [1], [0], [0]])) == 0


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"agreement": 0.99}, "--agreement 0.99 and --top1-drop 0.02 are two goals"),
        ({"top1_drop": 1.0}, "no share of images"),
        ({"top1_drop": -0.1}, "no share of images"),
        ({"recipe": "fp32"}, "has no INT8"),
        ({"model": "cotnet50", "calibration": "synthetic"}, "searched for on labelled images"),
        ({"images": "no such folder"}, "There is no folder"),
        ({"class_order": "size"}, "no order of classes 'size'"),
        ({"class_order": "natural", "top1_drop": None}, "is of labelled images"),
        ({"class_order": "natural", "top1_drop": None, "agreement": 0.9}, "is of labelled images"),
    ],
)
def test_what_cannot_be_searched_for_is_refused(
    changed: dict[str, object], what: str, tmp_path: Path, digit_folders: Path
) -> None:
    if "class_order" in changed:
        changed = {"images": digit_folders, **changed}
    with pytest.raises(api.InputError, match=what):
        api.build(replace(REQUEST, out=tmp_path / "out", **changed))  # type: ignore[arg-type]


def test_both_goals_end_with_the_code_of_bad_input(edgeform: EdgeformInProcess) -> None:
    goals = ("--agreement", "0.9", "--top1-drop", "0.1")
    ran = edgeform("build", SMALL, "--target", "xnnpack", "--recipe", "int8", *goals)
    assert ran.code == 2
    assert "Leave one of them away." in ran.err


def test_a_folder_without_labels_is_refused_by_name(
    edgeform: EdgeformInProcess, digit_folders: Path
) -> None:
    folder = digit_folders / "7"
    options = ("--recipe", "int8", "--top1-drop", "0.1", "--images", str(folder))
    ran = edgeform("build", SMALL, "--target", "xnnpack", *options)
    assert ran.code == 2
    assert f"{folder} holds no labelled images" in ran.err.replace("\n", "")
    assert "one folder a class" in ran.err


def test_labels_that_fp32_never_answers_are_refused(tmp_path: Path, digit_folders: Path) -> None:
    folders = tmp_path / "folders.txt"
    folders.write_text("".join(f"{(digit + 1) % 10}\tdigit {digit}\n" for digit in range(10)))
    asked = replace(REQUEST, images=digit_folders, labels=folders, calibration_samples=8)
    with pytest.raises(api.InputError, match=r"FP32 is right on \d of 225 images") as refused:
        api.build(replace(asked, out=tmp_path / "out"))
    assert "--labels, --class-order" in refused.value.remedy


@pytest.mark.parametrize("way", ["own", "labels", "order", "file"])
def test_classes_are_found_as_an_evaluation_finds_them(
    way: str, tmp_path: Path, digit_folders: Path
) -> None:
    """By the model's labels, a file's, the order of the folders or a file that names those."""
    file = tmp_path / "labels.txt"
    line = "{0}\tdigit {0}\n" if way == "file" else "{0}\n" if way == "labels" else "digit {0}\n"
    file.write_text("".join(line.format(digit) for digit in range(10)))
    asked = replace(
        REQUEST,
        images=digit_folders,
        labels=None if way == "own" else file,
        class_order="natural" if way == "order" else None,
    )
    plan = resolve(asked)
    labels = read_labels(plan, 10)
    assert labels[3] == ("digit 3" if way in ("order", "file") else "3")
    halves = to_agree_on(plan, 10, labels, None, silent_reporter())
    embedded = to_agree_on(resolve(REQUEST), 10, labels, None, silent_reporter())
    assert halves is not None
    assert embedded is not None
    expected = by_content(embedded.searched) | by_content(embedded.judged)
    assert by_content(halves.searched) | by_content(halves.judged) == expected
    assert sorted(expected.values()) == sorted(digits("held_out")[1])


def by_content(half: Half) -> dict[bytes, int]:
    assert half.classes is not None
    pairs = zip(half.pixels.flatten(0, 1), half.classes.flatten(), strict=True)
    return {pixels.numpy().tobytes(): int(digit) for pixels, digit in pairs}
