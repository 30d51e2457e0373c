"""``evaluate``: bounded memory, what is left out, Ctrl-C, and the classes of the folders."""

import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edge_models.errors import InputError
from edge_models.image_reading import CropReader
from export_targets.progress import silent_reporter
from export_targets.prove import evaluate as evaluating
from export_targets.prove.accuracy import one_head
from export_targets.prove.evaluate import Choice, EvaluationReport, Work, evaluate
from export_targets.runner import all_runners
from tests.conftest import Built, Copied, EdgeformInProcess

pytestmark = pytest.mark.usefixtures("runner_here")

Run = Callable[..., Tensor]


def judged(folder: Path, images: Path, **options: object) -> EvaluationReport:
    choice = Choice(images, **options)  # type: ignore[arg-type]
    return evaluate(folder, choice, None, False, silent_reporter(), work=Work(workers=1))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples the runner was given each time."""
    given: list[int] = []
    runner = all_runners()["host"]

    def run(model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
        given.append(len(inputs))
        return runner.run(model, inputs, advance)

    monkeypatch.setitem(all_runners(), "host", replace(runner, run=run, load=None))
    return given


def test_images_come_in_chunks_and_the_result_does_not_know(
    built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch, watched: list[int]
) -> None:
    whole = judged(built().folder, digit_folders, limit=100)
    assert watched == [64, 36]
    monkeypatch.setattr(evaluating, "CHUNK", 9)
    watched.clear()
    again = judged(built().folder, digit_folders, limit=100)
    assert watched == [*[9] * 11, 1]
    assert again == whole
    assert (whole.samples, whole.chosen, whole.found) == (100, 100, 450)
    assert whole.classes.folders == {str(digit): digit for digit in range(10)}
    assert not whole.interrupted


def test_ctrl_c_keeps_what_was_judged(
    built: Built,
    copied: Copied,
    digit_folders: Path,
    monkeypatch: pytest.MonkeyPatch,
    edgeform: EdgeformInProcess,
) -> None:
    runner = all_runners()["host"]
    calls: list[int] = []

    def run(model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
        calls.append(len(inputs))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return runner.run(model, inputs, advance)

    monkeypatch.setitem(all_runners(), "host", replace(runner, run=run, load=None))
    folder = copied(built().folder)
    command = ("evaluate", folder, "--images", digit_folders, "--workers", 1, "--json")
    ran = edgeform(*command)
    assert ran.code == 130
    assert ran.document["interrupted"]
    assert (ran.document["samples"], ran.document["chosen"]) == (128, 450)
    assert ran.document["programs"][0]["top1"] > 0.9
    assert "--resume" in ran.err

    (journal,) = folder.parent.glob(f"{folder.name}.evaluation-*.jsonl")
    journal.write_bytes(journal.read_bytes()[:-9])  # as a lost power supply leaves it
    resumed = edgeform(*command, "--resume")
    assert "1 of 8 chunks of images are judged" in resumed.err
    assert sum(calls[3:]) == 450 - 64
    assert resumed.document == edgeform(*command).document
    assert not journal.exists()


def test_ctrl_c_before_anything_was_judged_prints_no_figure(
    built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    def run(*_: object) -> Tensor:
        raise KeyboardInterrupt

    monkeypatch.setitem(all_runners(), "host", replace(all_runners()["host"], run=run, load=None))
    command = ("evaluate", built().folder, "--images", digit_folders, "--workers", 1)
    ran = edgeform(*command)
    assert (ran.code, ran.out) == (130, "")
    assert "Interrupted." in ran.err


@pytest.fixture
def photographs(digit_folders: Path, tmp_path: Path) -> Path:
    """Thirty images of three classes, two of them truncated."""
    folder = tmp_path / "photographs"
    for name in ("0", "1", "2"):
        (folder / name).mkdir(parents=True)
        for path in sorted((digit_folders / name).iterdir())[:10]:
            shutil.copy(path, folder / name)
    for name in ("0", "2"):
        path = sorted((folder / name).iterdir())[4]
        path.write_bytes(path.read_bytes()[:60])
    return folder


def test_truncated_images_are_left_out_counted_and_named(
    built: Built, photographs: Path, edgeform: EdgeformInProcess
) -> None:
    (photographs / "0" / "._x.png").touch()
    (photographs / "1" / "x.mov").touch()
    ran = edgeform("evaluate", built().folder, "--images", photographs, "--json")
    assert ran.code == 0
    document = ran.document
    assert (document["samples"], document["chosen"], len(document["unreadable"])) == (28, 30, 2)
    assert (document["hidden"], document["other_files"]) == (1, {".mov": 1})
    assert document["programs"][0]["top1"] > 0.9
    assert ran.err.count("cannot be read") == 2
    assert "Preprocessing: shorter side to 64 (bilinear), centre crop 64x64" in ran.err
    assert "Classes by the artifact's labels: '0' is class 0" in ran.err


@pytest.mark.parametrize("command", ["evaluate", "verify"])
def test_strict_stops_at_the_first(
    command: str, built: Built, photographs: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform(command, built().folder, "--images", photographs, "--strict")
    assert ran.code == 2
    assert ran.err.splitlines()[-2].startswith(f"The image {photographs}/0/")


def test_verify_says_how_many_of_how_many_and_spreads_them(
    built: Built, photographs: Path, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", built().folder, "--images", photographs, "--json")
    assert ran.code == 0
    assert ran.document["inputs"] == (
        "28 of the 30 images of the folder photographs, 2 unreadable left out"
    )
    monkeypatch.setattr("export_targets.prove.verify.MAX_IMAGES", 6)
    seen: list[Path] = []
    reads = CropReader.read

    def read(self: CropReader, path: Path) -> Tensor | None:
        seen.append(path)
        return reads(self, path)

    monkeypatch.setattr(CropReader, "read", read)
    ran = edgeform("verify", built().folder, "--images", photographs, "--json")
    assert [path.parent.name for path in seen] == ["0", "0", "1", "1", "2", "2"]
    assert ran.document["inputs"].startswith("6 of the 30 images")


def test_the_order_of_classes_and_labels_reach_the_command_line(
    built: Built, digit_folders: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    lines = "".join(f"digit {index}\t{index}\n" for index in range(10))
    (tmp_path / "labels.tsv").write_text(lines, encoding="utf-8")
    folder = tmp_path / "digits"
    folder.mkdir()
    for index in range(10):
        (folder / f"digit {index}").symlink_to(digit_folders / str(index))
    common = ("evaluate", built().folder, "--images", folder, "--limit", 20)
    refused = edgeform(*common)
    assert refused.code == 2
    assert "'digit 0'" in refused.err
    for options in (("--labels", tmp_path / "labels.tsv"), ("--class-order", "natural")):
        ran = edgeform(*common, *options, "--json")
        assert ran.code == 0
        assert ran.document["classes"]["folders"]["digit 7"] == 7
        assert ran.document["programs"][0]["top1"] > 0.9
    assert edgeform(*common, "--class-order", "random").code == 2


def test_images_that_fill_no_batch_are_refused(built: Built, digit_folders: Path) -> None:
    with pytest.raises(InputError, match="1 images do not fill the artifact's batch of 2"):
        judged(built(batch=2).folder, digit_folders, limit=1)


def test_a_batch_is_filled_past_an_unreadable_image(
    built: Built, photographs: Path, watched: list[int]
) -> None:
    report = judged(built(batch=2).folder, photographs)
    assert (report.samples, report.chosen) == (28, 30)
    assert watched == [14]


def test_both_heads_are_averaged() -> None:
    logits = torch.arange(12.0).view(1, 4, 3)  # two heads of a batch of two
    assert torch.equal(one_head(logits, 2), (logits[0, :2] + logits[0, 2:]) / 2)


@pytest.mark.full
def test_memory_does_not_grow_with_the_number_of_images(
    built: Built, digit_folders: Path, tmp_path: Path
) -> None:
    for path in digit_folders.glob("*/*.png"):
        for copy in range(12):
            place = tmp_path / path.parent.name / f"{path.stem}-{copy}.png"
            place.parent.mkdir(exist_ok=True)
            shutil.copy(path, place)

    def peak() -> int:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    judged(built().folder, tmp_path, limit=600)  # the first full chunks
    before = peak()
    report = judged(built().folder, tmp_path, limit=5000)
    assert report.samples == 5000
    assert peak() - before < 30_000  # kB; the images alone are 246 MB as float32
