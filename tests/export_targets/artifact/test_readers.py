"""Every reader of an artifact, and of the command line, on mutated input: right, or refused."""

import contextlib
import copy
import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from export_targets import pipeline
from export_targets.artifact.folder import (
    MANIFEST,
    Artifact,
    open_artifact,
    read_manifest,
)
from export_targets.artifact.label_file import read_lines
from export_targets.artifact.manifest import Manifest
from export_targets.command_line import cli, console, doctor
from export_targets.command_line.arguments import size_in_pixels
from export_targets.plan import resolve
from export_targets.progress import silent_reporter
from export_targets.prove.verify import verify
from export_targets.request import BuildRequest
from export_targets.runner import all_runners
from export_targets.target import Target
from tests.bad_input import mutated, only_inside, refused_or
from tests.conftest import SMALL
from tests.export_targets.made_up import CLASSES, SAMPLES, SHAPE, sign_again, write_made_up

ODD: list[Any] = [
    *(None, True, -1, 0, 1, 31, 10**12, 10**400, 0.5, float("nan"), float("inf")),
    *("", "a", "1", "..", "/etc/passwd", "\0", "\ud800", "golden", "labels.txt", "both", "[/b]"),
    *([], {}, [1], {"a": 1}, [None] * 4, [[]]),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made_up(tmp_path_factory.mktemp("made up") / "artifact")


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return (folder / MANIFEST).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def _stubs() -> Iterator[None]:
    """A runner that gives random logits and a target that finds one delegate in any file."""

    def run(model: Path, inputs: Tensor, advance: Callable[[], None]) -> Tensor:
        assert model.exists()
        return torch.randn(len(inputs), 1, CLASSES, generator=torch.Generator().manual_seed(0))

    with pytest.MonkeyPatch.context() as patch:
        runner = all_runners()["host"]
        patch.setattr(Target, "inspect", lambda *_: (1, {}))
        patch.setitem(all_runners(), "host", replace(runner, run=run))
        yield


def places(content: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) of a JSON document."""
    keys = content if isinstance(content, dict) else range(len(content))
    below = [(content, key) for key in keys]
    return below + [
        place
        for _, key in below
        if isinstance(content[key], dict | list)
        for place in places(content[key])
    ]


def changed(text: str, data: st.DataObject) -> str:
    """A manifest with one to three values replaced by odd ones, swapped or dropped."""
    content = json.loads(text)
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(places(content)))
        kind = data.draw(st.sampled_from(["odd", "odd", "swap", "drop"]))
        if kind == "odd":
            container[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
        elif kind == "swap":
            other, place = data.draw(st.sampled_from(places(content)))
            container[key] = copy.deepcopy(other[place])
        else:
            del container[key]
    return json.dumps(content)


def read_all(folder: Path) -> Artifact:
    """Open an artifact and read everything that it holds."""
    artifact = open_artifact(folder)
    samples, (batch, channels, height, width) = (
        artifact.manifest.golden.samples,
        artifact.manifest.input.shape,
    )
    assert artifact.inputs().shape == (samples, batch, channels, height, width)
    rows = batch * (2 if artifact.manifest.output.heads == "both" else 1)
    assert artifact.logits("file").shape == (samples, rows, artifact.manifest.output.shape[1])
    assert len(artifact.labels()) in (0, artifact.manifest.model.classes)
    assert artifact.model.exists()
    return artifact


@given(data=st.data())
def test_a_changed_manifest_is_read_or_refused(
    data: st.DataObject, folder: Path, text: str
) -> None:
    (folder / MANIFEST).write_text(changed(text, data), encoding="utf-8")
    with only_inside(folder):
        refused_or(read_all, folder)


@pytest.mark.usefixtures("_stubs")
@given(data=st.data())
def test_verify_judges_a_changed_manifest_or_refuses(
    data: st.DataObject, folder: Path, text: str
) -> None:
    (folder / MANIFEST).write_text(changed(text, data), encoding="utf-8")
    with only_inside(folder):
        result = refused_or(verify, folder, None, None, False, silent_reporter())
    if result is not None:  # random logits pass no gate
        assert result.problems


@given(data=st.data())
def test_a_mutated_manifest_is_read_or_refused(
    data: st.DataObject, folder: Path, text: str
) -> None:
    (folder / MANIFEST).write_bytes(data.draw(mutated(text.encode())))
    with only_inside(folder):
        manifest = refused_or(read_manifest, folder)
    assert manifest is None or isinstance(manifest, Manifest)


@given(
    name=st.text(max_size=8).map(lambda name: f"x-{name}"),
    value=st.recursive(
        st.none() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    ),
    minor=st.integers(1, 10**6),
)
def test_unknown_fields_and_newer_minor_versions_change_nothing(
    name: str, value: Any, minor: int, folder: Path, text: str
) -> None:
    content = json.loads(text)
    for key in ("model", "weights", "input", "output", "target", "golden", "selftest"):
        content[key][name] = value
    content[name] = value
    content["schema_version"] = f"1.{minor}"
    (folder / MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    expected = Manifest.model_validate_json(text).model_copy(
        update={"schema_version": f"1.{minor}"}
    )
    assert read_manifest(folder) == expected


@given(data=st.data())
def test_mutated_golden_files_are_read_or_refused(
    data: st.DataObject, folder: Path, text: str
) -> None:
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    path = folder / "golden" / data.draw(st.sampled_from(["input_1.f32", "expected_0.f32"]))
    whole = path.read_bytes()
    content = data.draw(mutated(whole))
    try:
        path.write_bytes(content)
        assert refused_or(read_all, folder) is None or content == whole  # the digest differs
        sign_again(folder)
        with only_inside(folder):
            artifact = refused_or(read_all, folder)
    finally:
        path.write_bytes(whole)
    assert (artifact is not None) == (len(content) == len(whole))


@given(content=st.binary(max_size=60) | st.text("0\n\r\x85 ", max_size=24).map(str.encode))
def test_any_labels_are_one_a_class_or_refused(content: bytes, folder: Path, text: str) -> None:
    (folder / MANIFEST).write_text(text, encoding="utf-8")
    path = folder / "labels.txt"
    whole = path.read_bytes()
    try:
        path.write_bytes(content)
        sign_again(folder)
        with only_inside(folder):
            artifact, lines = refused_or(read_all, folder), refused_or(read_lines, path)
    finally:
        path.write_bytes(whole)
    assert (artifact is not None) == (lines is not None and len(lines) == CLASSES)


@given(size=st.text(max_size=9) | st.from_regex(r"-?[0-9]{1,7}[xX]?[0-9]{0,7}", fullmatch=True))
def test_any_size_is_possible_or_refused(size: str) -> None:
    wanted = refused_or(size_in_pixels, size)
    if wanted is None:
        return
    assert [int(part) for part in size.lower().split("x")] in ([wanted[0]], list(wanted))
    plan = refused_or(resolve, BuildRequest(SMALL, "xnnpack", size=wanted))
    if plan is not None:
        assert all(side % 32 == 0 and 0 < side <= 2**19 for side in plan.size)


WORDS = [
    *(
        "list",
        "build",
        "verify",
        "evaluate",
        "doctor",
        "demo",
        "models",
        SMALL,
        "xnnpack",
        "nowhere",
    ),
    *(
        "--target",
        "--recipe",
        "--json",
        "--debug",
        "--size",
        "--batch",
        "--seed",
        "--out",
        "--images",
    ),
    *(
        "--help",
        "--limit",
        "--force",
        "--heads",
        "--form",
        "--",
        "-1",
        "0",
        "64",
        "64x",
        "9" * 5000,
    ),
    *("int8", "", "\0", "\ud800", "[/b]", "é", "a\nb", "published", "both", "1e3", "--batch=-1"),
]


@given(arguments=st.lists(st.sampled_from(WORDS), max_size=9))
def test_any_arguments_end_with_a_code_of_the_contract(
    arguments: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    printed, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.getbasetemp())
        patch.setattr(sys, "argv", ["edgeform", *arguments])
        patch.setattr(pipeline, "_build", _stopped)
        patch.setattr("export_targets.matrix.run.run_cell", _stopped)
        patch.setattr(doctor, "diagnose", _stopped)
        patch.setattr(console, "_quiet_libraries", lambda: None)
        with (
            contextlib.redirect_stdout(printed),
            contextlib.redirect_stderr(errors),
            pytest.raises(SystemExit) as ended,
        ):
            cli.main()
    assert ended.value.code in (0, 2)
    assert console.FAULT not in printed.getvalue() + errors.getvalue()
    if ended.value.code == 2 and "--json" in arguments:
        assert set(json.loads(printed.getvalue())["error"]) == {"what", "remedy"}
    elif ended.value.code == 2:
        assert errors.getvalue()


def _stopped(*_: object) -> Any:
    """Stands for work that needs no trying here: the arguments were accepted."""
    raise SystemExit(0)


def test_the_made_up_artifact_is_whole(tmp_path: Path) -> None:
    artifact = read_all(write_made_up(tmp_path / "artifact"))
    assert artifact.inputs().shape == (SAMPLES, *SHAPE)
