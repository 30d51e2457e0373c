"""The damaged manifests that the three cores are given, read by the one in C++.

Kotlin reads the same in ``make android-test``, Swift in ``make ios-test``.
"""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export_targets.artifact.folder import MANIFEST
from export_targets.runners.bridges import cpp_build
from tests.apps.golden import TENSORS, mutated, with_tensors, wrong_fields, wrong_tensors
from tests.conftest import Built

NOT_READ = ("model", "recipe")  # by C++

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None or not Path("/usr/include/nlohmann/json.hpp").is_file(),
    reason="needs g++ and nlohmann/json",
)
Refusals = Callable[[list[str]], list[str | None]]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory: pytest.TempPathFactory) -> Refusals:
    """Why the core refuses each of some manifests, None where it takes it."""
    folder = tmp_path_factory.mktemp("manifests")
    program, source = folder / "manifests", cpp_build.SOURCE
    sources = [Path(__file__).with_name("manifests_main.cpp"), source / "embed" / "artifact.cpp"]
    subprocess.run(
        [
            *("g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{source}", "-o", program),
            *(*sources, source / "sha256.cpp"),
        ],
        check=True,
    )

    def run(manifests: list[str]) -> list[str | None]:
        (folder / "cases.json").write_text(json.dumps(manifests), encoding="utf-8")
        (folder / "artifact").mkdir(exist_ok=True)
        command = [program, folder / "cases.json", folder / "artifact"]
        done = subprocess.run(command, check=True, capture_output=True)
        answers: list[str | None] = json.loads(done.stdout)
        assert len(answers) == len(manifests)
        return answers

    return run


@pytest.fixture
def manifest(built: Built) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((built().folder / MANIFEST).read_text(encoding="utf-8"))
    return content


def test_right_manifests_are_taken(refusals: Refusals, manifest: dict[str, Any]) -> None:
    stretched = json.loads(json.dumps(manifest))
    stretched["input"]["resize"]["mode"] = "stretch"
    right = [manifest, with_tensors(manifest, TENSORS), stretched, {**manifest, "new": [1]}]
    assert refusals([json.dumps(each) for each in right]) == [None] * len(right)


def test_a_wrong_field_is_refused(refusals: Refusals, manifest: dict[str, Any]) -> None:
    cases = [
        case
        for case in (*wrong_fields(manifest), *wrong_tensors(manifest))
        if not case["field"].startswith(NOT_READ)
    ]
    assert len(cases) > 300
    for case, refusal in zip(cases, refusals([case["manifest"] for case in cases]), strict=True):
        assert refusal is not None, (case["field"], case["manifest"])
        assert len(refusal.splitlines()) == 2, refusal


def test_mutated_manifests_end_in_an_artifact_or_a_refusal(
    refusals: Refusals, manifest: dict[str, Any]
) -> None:
    found = refusals([case["manifest"] for case in mutated(manifest)])
    assert len(found) == 240
    assert sum(refusal is not None for refusal in found) > len(found) / 4
