"""A damaged artifact is refused: what is wrong and what to do, exit 2, before a model is loaded."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_models.errors import InputError
from export_targets.artifact import folder as artifact
from export_targets.artifact.folder import open_artifact
from export_targets.artifact.manifest import SCHEMA_VERSION
from export_targets.prove import verify
from tests.conftest import EdgeformInProcess
from tests.export_targets.made_up import edit, sign_again, write_made_up

Damage = Callable[[Path], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_made_up(tmp_path / "artifact")


def change_a_byte(folder: Path) -> None:
    (folder / "model.pte").write_bytes(b"no modem")


def append_a_byte(folder: Path) -> None:
    with (folder / "golden" / "input_0.f32").open("ab") as file:
        file.write(b"\0")


def link_out(folder: Path) -> None:
    outside = folder.parent / "outside.txt"
    (folder / "labels.txt").rename(outside)
    (folder / "labels.txt").symlink_to(outside)


def link_a_folder_out(folder: Path) -> None:
    outside = folder.parent / "golden outside"
    (folder / "golden").rename(outside)
    (folder / "golden").symlink_to(outside)


def name_a_path(path: str) -> Damage:
    return lambda folder: edit(folder, lambda content: content["files"][0].update(path=path))


def outside_without_link(folder: Path) -> None:
    (folder.parent / "outside.txt").write_text("secret", encoding="utf-8")
    name_a_path("../outside.txt")(folder)


def truncate_the_manifest(folder: Path) -> None:
    path = folder / artifact.MANIFEST
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_the_manifest(content: bytes) -> Damage:
    return lambda folder: (folder / artifact.MANIFEST).write_bytes(content)


def set_version(version: str) -> Damage:
    return lambda folder: edit(folder, lambda content: content.update(schema_version=version))


def golden_file(name: str, numbers: int) -> Damage:
    def damage(folder: Path) -> None:
        np.ones(numbers, dtype="<f4").tofile(folder / "golden" / name)
        sign_again(folder)

    return damage


def cut_a_golden_number(folder: Path) -> None:
    path = folder / "golden" / "edge_1.f32"
    path.write_bytes(path.read_bytes()[:-1])
    sign_again(folder)


def append_a_golden_byte(folder: Path) -> None:
    with (folder / "golden" / "input_1.f32").open("ab") as file:
        file.write(b"\0")
    sign_again(folder)


def replace_the_manifest_by_a_pipe(folder: Path) -> None:
    (folder / artifact.MANIFEST).unlink()
    os.mkfifo(folder / artifact.MANIFEST)  # reading it would wait for ever


def drop_a_golden_file(folder: Path) -> None:
    (folder / "golden" / "reference_1.f32").unlink()
    sign_again(folder)


def link_the_manifest_out(folder: Path) -> None:
    outside = folder.parent / "outside.json"
    (folder / artifact.MANIFEST).rename(outside)
    (folder / artifact.MANIFEST).symlink_to(outside)


def link_in_a_circle(folder: Path) -> None:
    (folder / "labels.txt").unlink()
    (folder / "labels.txt").symlink_to("labels.txt")


def swap_for_an_unlisted_link_out(folder: Path) -> None:
    """A golden file that no digest covers, and that leads outside."""
    outside = folder.parent / "outside.f32"
    (folder / "golden" / "input_0.f32").rename(outside)
    sign_again(folder)
    (folder / "golden" / "input_0.f32").symlink_to(outside)


DAMAGES: dict[str, tuple[Damage, str]] = {
    "changed byte": (change_a_byte, "model.pte"),
    "appended byte": (append_a_byte, "golden/input_0.f32"),
    "missing file": (lambda folder: (folder / "labels.txt").unlink(), "labels.txt"),
    "parent path": (outside_without_link, "'../outside.txt'"),
    "parent path inside": (name_a_path("golden/../labels.txt"), "'golden/../labels.txt'"),
    "absolute path": (name_a_path("/etc/hostname"), "'/etc/hostname'"),
    "empty path": (name_a_path(""), "''"),
    "backslash path": (name_a_path("golden\\input_0.f32"), "input_0.f32"),
    "link out": (link_out, "labels.txt"),
    "folder linked out": (link_a_folder_out, "golden"),
    "truncated manifest": (truncate_the_manifest, "damaged"),
    "manifest not text": (write_the_manifest(b"\xff\xfe\x00"), "damaged"),
    "manifest a list": (write_the_manifest(b"[]"), "damaged"),
    "manifest empty": (write_the_manifest(b""), "damaged"),
    "manifest nested deep": (write_the_manifest(b"[" * 100_000), "damaged"),
    "no version": (
        lambda folder: edit(folder, lambda content: content.pop("schema_version")),
        "schema_version",
    ),
    "version not a number": (set_version("new"), "damaged"),
    "newer major version": (set_version("2.0"), "2.0"),
    "NaN mean": (
        lambda folder: (folder / artifact.MANIFEST).write_text(
            (folder / artifact.MANIFEST).read_text(encoding="utf-8").replace("0.5", "NaN", 1),
            encoding="utf-8",
        ),
        "input.mean",
    ),
    "golden input too long": (golden_file("input_0.f32", 2 * 3 * 32 * 32), "input_0.f32"),
    "golden input too short": (golden_file("input_1.f32", 32), "input_1.f32"),
    "golden logits of another length": (golden_file("edge_0.f32", 7), "edge_0.f32"),
    "golden logits of more rows": (golden_file("edge_0.f32", 20), "edge_0.f32"),
    "golden file empty": (golden_file("lowered_1.f32", 0), "lowered_1.f32"),
    "golden number cut": (cut_a_golden_number, "edge_1.f32"),
    "golden file not listed": (drop_a_golden_file, "reference_1.f32"),
    "no golden samples": (
        lambda folder: edit(folder, lambda content: content["golden"].update(samples=0)),
        "golden",
    ),
    "input without pixels": (
        lambda folder: edit(folder, lambda content: content["input"].update(shape=[1, 3, 0, 32])),
        "input",
    ),
    "nothing deployed": (lambda folder: edit(folder, lambda c: c.update(files=[])), "files"),
    "unknown target": (
        lambda folder: edit(folder, lambda content: content["target"].update(name="abacus")),
        "abacus",
    ),
    "recipe of another target": (
        lambda folder: edit(folder, lambda content: content.update(recipe="fp16")),
        "fp16",
    ),
    "null byte in a path": (name_a_path("golden\0"), "golden"),
    "a path too long for the system": (name_a_path("n" * 5000), "nnn"),
    "manifest linked out": (link_the_manifest_out, "manifest.json"),
    "link in a circle": (link_in_a_circle, "labels.txt"),
    "unlisted golden file linked out": (swap_for_an_unlisted_link_out, "golden/input_0.f32"),
    "manifest of 20 MB": (write_the_manifest(b" " * 20_000_000 + b"{}"), "damaged"),
    "manifest a pipe": (replace_the_manifest_by_a_pipe, "not an artifact"),
    "golden byte appended": (append_a_golden_byte, "input_1.f32"),
    "no manifest": (lambda folder: (folder / artifact.MANIFEST).unlink(), "not an artifact"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_refused_with_a_remedy(
    name: str, folder: Path, edgeform: EdgeformInProcess
) -> None:
    damage, offender = DAMAGES[name]
    damage(folder)
    ran = edgeform("verify", folder)
    assert ran.code == 2
    what, remedy = ran.err.strip().splitlines()[-2:]  # after the progress
    assert offender in what
    assert remedy
    assert ran.out == ""


@pytest.mark.parametrize(
    "content", [b"", b"one\ntwo\n", b"\n".join([b"name"] * 11), b"\xff\n" * 10]
)
def test_labels_of_another_count_or_no_text_are_refused(content: bytes, folder: Path) -> None:
    (folder / "labels.txt").write_bytes(content)
    sign_again(folder)
    with pytest.raises(InputError, match=r"labels\.txt"):
        open_artifact(folder).labels()


def test_an_artifact_without_labels_has_none(folder: Path) -> None:
    (folder / "labels.txt").unlink()
    sign_again(folder)
    assert open_artifact(folder).labels() == []


@pytest.mark.parametrize("name", ["changed byte", "absolute path", "newer major version"])
def test_damage_with_json_is_one_document(
    name: str, folder: Path, edgeform: EdgeformInProcess
) -> None:
    damage, offender = DAMAGES[name]
    damage(folder)
    ran = edgeform("verify", folder, "--json")
    assert ran.code == 2
    assert set(ran.document) == {"error"}
    assert set(ran.document["error"]) == {"what", "remedy"}
    assert offender in ran.document["error"]["what"]


@pytest.mark.parametrize("command", ["verify", "evaluate"])
@pytest.mark.parametrize("kind", ["absent", "empty folder", "file"])
def test_what_is_not_an_artifact_is_refused(
    command: str, kind: str, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    path = tmp_path / "thing"
    if kind == "empty folder":
        path.mkdir()
    if kind == "file":
        path.write_text("text", encoding="utf-8")
    images = ("--images", tmp_path) if command == "evaluate" else ()
    ran = edgeform(command, path, *images)
    assert ran.code == 2
    assert f"{path} is not an artifact" in ran.err


def test_digests_are_checked_before_the_model_is_run(
    folder: Path, edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("the runner was asked for")

    monkeypatch.setattr(verify, "runner_named", never)
    change_a_byte(folder)
    assert edgeform("verify", folder).code == 2


def test_a_link_that_stays_inside_is_accepted(folder: Path) -> None:
    (folder / "labels.txt").rename(folder / "names.txt")
    (folder / "labels.txt").symlink_to("names.txt")
    assert len(open_artifact(folder).labels()) == 10


def test_unknown_fields_and_a_newer_minor_version_are_accepted(folder: Path) -> None:
    major = SCHEMA_VERSION.split(".")[0]
    edit(folder, lambda content: content.update(schema_version=f"{major}.99", novelty={"a": 1}))
    edit(folder, lambda content: content["model"].update(novelty=1))
    opened = open_artifact(folder)
    assert opened.manifest.schema_version == f"{major}.99"
    assert opened.model == folder / "model.pte"


def test_golden_numbers_come_back_as_written(folder: Path) -> None:
    opened = open_artifact(folder)
    assert tuple(opened.inputs().shape) == (2, 1, 3, 32, 32)
    assert tuple(opened.logits("file").shape) == (2, 1, 10)
    raw = np.fromfile(folder / "golden" / "expected_1.f32", dtype="<f4")
    assert opened.logits("file")[1, 0].tolist() == raw.tolist()


def test_an_error_is_of_the_kind_that_users_see(folder: Path) -> None:
    change_a_byte(folder)
    with pytest.raises(InputError) as error:
        open_artifact(folder)
    assert str(folder) in error.value.what
    assert error.value.remedy
