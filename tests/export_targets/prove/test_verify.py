"""``verify`` on other images, and the graph that is loaded only where the user trusts it."""

import contextlib
import io
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from edge_models.digits import digits
from export_targets.artifact.folder import LABELS, LOWERED
from export_targets.progress import silent_reporter
from export_targets.prove import verify
from export_targets.runner import all_runners
from tests.conftest import Built, Copied, EdgeformInProcess
from tests.export_targets.made_up import sign_again

pytestmark = pytest.mark.usefixtures("runner_here")


class Payload:
    """An object that touches a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(digits("held_out")[0][100:108]):
        image.save(folder / f"{number}.png")
    return folder


def plant(folder: Path, marker: Path) -> None:
    """Put a payload into the lowered graph's example inputs, and sign the artifact again."""
    pickled = io.BytesIO()
    torch.save(Payload(marker), pickled)
    with zipfile.ZipFile(folder / LOWERED) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in members if "sample_inputs" in name)
    members[name] = pickled.getvalue()
    with zipfile.ZipFile(folder / LOWERED, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    sign_again(folder)


def hops(ran_document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {hop["name"]: hop for hop in ran_document["hops"]}


def test_without_trust_the_quantize_hop_is_skipped_visibly(
    built: Built, images: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", built(recipe="int8").folder, "--images", images, "--json")
    assert ran.code == 0
    found = hops(ran.document)
    assert {name: hop["status"] for name, hop in found.items()} == {
        "edge": "passed",
        "quantize": "skipped",
        "lower": "skipped",
        "chain": "passed",
    }
    assert "--trust-graphs" in found["quantize"]["why"]
    assert found["quantize"]["sqnr_db"] is None
    assert found["chain"]["samples"] == 8
    assert "skipped" in edgeform("verify", built(recipe="int8").folder, "--images", images).out


def test_with_trust_every_hop_runs(built: Built, images: Path, edgeform: EdgeformInProcess) -> None:
    folder = built(recipe="int8").folder
    ran = edgeform("verify", folder, "--images", images, "--trust-graphs", "--json")
    assert ran.code == 0
    assert {hop["status"] for hop in hops(ran.document).values()} == {"passed"}
    assert set(hops(ran.document)) == {"edge", "quantize", "lower", "chain"}


def test_without_a_quantized_graph_nothing_is_skipped(
    built: Built, images: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("verify", built().folder, "--images", images, "--json")
    assert ran.code == 0
    assert {hop["status"] for hop in hops(ran.document).values()} == {"passed"}


@pytest.mark.parametrize("with_images", [False, True])
def test_code_in_the_lowered_graph_is_not_run_without_trust(
    with_images: bool, built: Built, copied: Copied, images: Path, tmp_path: Path
) -> None:
    folder, marker = copied(built().folder), tmp_path / "marker"
    plant(folder, marker)
    given = images if with_images else None
    result = verify.verify(folder, given, None, False, silent_reporter())
    assert result.problems == ()
    assert not marker.exists()


def test_evaluate_does_not_run_it_without_trust(
    built: Built, copied: Copied, tmp_path: Path, digit_folders: Path, edgeform: EdgeformInProcess
) -> None:
    folder, marker = copied(built().folder), tmp_path / "marker"
    plant(folder, marker)
    assert edgeform("evaluate", folder, "--images", digit_folders, "--limit", 10).code == 0
    assert not marker.exists()


def test_the_payload_would_run_if_it_were_loaded(
    built: Built, copied: Copied, tmp_path: Path
) -> None:
    folder, marker = copied(built().folder), tmp_path / "marker"
    plant(folder, marker)
    with contextlib.suppress(Exception):
        torch.export.load(folder / LOWERED)
    assert marker.exists()


@pytest.mark.parametrize("asked", [False, True])
def test_with_trust_it_is_reached_only_where_the_graph_is_needed(
    asked: bool,
    built: Built,
    copied: Copied,
    tmp_path: Path,
    images: Path,
    edgeform: EdgeformInProcess,
) -> None:
    folder, marker = copied(built().folder), tmp_path / "marker"
    plant(folder, marker)
    new = ("--images", images) if asked else ()  # the golden inputs have stored logits
    edgeform("verify", folder, "--trust-graphs", *new)
    assert marker.exists() == asked


def test_evaluate_refuses_logits_that_are_not_finite(
    built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    runner = all_runners()["host"]
    broken = replace(runner, run=lambda *given: runner.run(*given) * float("nan"))
    monkeypatch.setitem(all_runners(), "host", broken)
    ran = edgeform("evaluate", built().folder, "--images", digit_folders, "--limit", 10)
    assert ran.code == 2
    assert "The logits of file are NaN" in ran.err


@pytest.mark.parametrize("command", ["verify", "evaluate"])
def test_a_broken_image_is_named(
    command: str, built: Built, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    (tmp_path / "one" / "3").mkdir(parents=True)
    broken = tmp_path / "one" / "3" / "broken.png"
    broken.write_bytes(b"no image")
    ran = edgeform(command, built().folder, "--images", tmp_path / "one")
    assert ran.code == 2
    assert ran.err.splitlines()[-2:] == [
        f"More than a tenth of the 1 images of {tmp_path / 'one'} cannot be read; the first: "
        f"The image {broken} cannot be read: no known format",
        "Remove or replace it.",
    ]


def test_some_classes_whose_names_are_not_in_the_labels_are_refused(
    built: Built, digit_folders: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    shutil.copytree(digit_folders / "3", tmp_path / "photos" / "three")
    ran = edgeform("evaluate", built().folder, "--images", tmp_path / "photos")
    assert ran.code == 2
    assert "'three'" in ran.err
    assert "none of the artifact's labels" in ran.err


def test_a_class_whose_name_another_has_too_is_refused(
    built: Built, copied: Copied, digit_folders: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    (folder / LABELS).write_text("crane\nkite\ncrane\n3\n4\n5\n6\n7\n8\n9\n", encoding="utf-8")
    sign_again(folder)
    shutil.copytree(digit_folders / "0", tmp_path / "photos" / "crane")
    ran = edgeform("evaluate", folder, "--images", tmp_path / "photos")
    assert ran.code == 2
    assert "could be several classes: lines 1 and 3" in ran.err


def test_one_class_and_a_folder_with_an_odd_name_can_be_evaluated(
    built: Built, digit_folders: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    folder = tmp_path / "[b]"
    shutil.copytree(digit_folders / "3", folder / "3")
    (folder / "4").mkdir()
    ran = edgeform("evaluate", built().folder, "--images", folder, "--limit", 12)
    assert ran.code == 0
    assert "[b]" in ran.out  # text, not markup


def test_a_damaged_graph_is_refused_with_trust(
    built: Built, copied: Copied, images: Path, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    (folder / LOWERED).write_bytes(b"no graph")
    sign_again(folder)
    ran = edgeform("verify", folder, "--images", images, "--trust-graphs")
    assert ran.code == 2
    assert "lowered.pt2" in ran.err


@pytest.mark.parametrize("content", [None, b"no image"])
def test_a_folder_that_cannot_serve_is_refused(
    content: bytes | None, built: Built, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    if content is not None:
        (tmp_path / "broken.png").write_bytes(content)
    ran = edgeform("verify", built().folder, "--images", tmp_path)
    assert ran.code == 2
    assert str(tmp_path) in ran.err


def test_other_weights_in_the_evidence_turn_the_chain_red(
    built: Built, copied: Copied, images: Path, edgeform: EdgeformInProcess
) -> None:
    from safetensors.torch import load_file, save_file

    folder = copied(built().folder)
    path = folder / "evidence" / "reference.safetensors"
    tensors = load_file(path)
    tensors["fc.weight"] = tensors["fc.weight"].flip(0).contiguous()
    save_file(tensors, path)
    sign_again(folder)
    ran = edgeform("verify", folder, "--images", images, "--json")
    assert ran.code == 1
    assert {n: h["status"] for n, h in hops(ran.document).items()} == {
        "edge": "passed",
        "lower": "failed",
        "chain": "failed",
    }
