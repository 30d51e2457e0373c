"""The Xcode project, written by hand: its graph of objects, and the phase that copies artifacts."""

import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.apps import swift_toolchain
from tests.apps.ios_package import IOS, SCRATCH
from tests.apps.xcode_project import parse, problems
from tests.conftest import Built

PROJECT = IOS / "Edgeform.xcodeproj"
TEXT = (PROJECT / "project.pbxproj").read_text(encoding="utf-8")
FAULTS = [
    ("rootObject = E000", "rootObject = E00F", "is no object"),
    ("path = App;", "path = Apps;", "Apps is not there"),
    ("relativePath = EdgeformCore;", "relativePath = Core;", "Core is not there"),
    ("productName = backend_coreml;", "productName = backend_mps;", "the app links"),
    ("copy_artifacts.sh\\", "copy.sh\\", "no build phase copies"),
    ("isa = PBXSourcesBuildPhase;", "isa = PBXSources;", "lacks a known isa"),
    ("objects = {", "objects = {{", "cannot be read"),
    ("\t\t\tshellPath = /bin/bash;\n", "\t\t\tshellPath = /bin/bash\n", "cannot be read"),
]


def test_the_project_holds_together() -> None:
    assert problems(IOS, TEXT) == []
    assert parse(TEXT)["objectVersion"] == "77"  # Xcode 16, whose groups are folders


@pytest.mark.parametrize(("right", "wrong", "why"), FAULTS, ids=[fault[1] for fault in FAULTS])
def test_a_fault_is_seen(right: str, wrong: str, why: str) -> None:
    assert right in TEXT
    assert any(why in problem for problem in problems(IOS, TEXT.replace(right, wrong)))


@pytest.mark.parametrize(
    "flag",
    ["-all_load", '#include "Edgeform.xcconfig"', "INFOPLIST_KEY_NSCameraUsageDescription"],
)
def test_a_missing_setting_is_seen(flag: str, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(IOS, tmp_path / "ios"))
    settings = folder / "App.xcconfig"
    settings.write_text(settings.read_text("utf-8").replace(flag, ""), encoding="utf-8")
    assert len(problems(folder, TEXT)) == 1


def test_the_scheme_runs_and_tests_the_projects_targets_in_release() -> None:
    scheme = ET.parse(PROJECT / "xcshareddata" / "xcschemes" / "Edgeform.xcscheme").getroot()
    objects = parse(TEXT)["objects"]
    for reference in scheme.iter("BuildableReference"):
        target = objects[reference.attrib["BlueprintIdentifier"]]
        assert target["name"] == reference.attrib["BlueprintName"]
    actions = [action for name in ("LaunchAction", "TestAction") for action in scheme.iter(name)]
    assert [action.attrib["buildConfiguration"] for action in actions] == ["Release"] * 2


@pytest.mark.skipif(bool(swift_toolchain.absent()), reason="needs a Swift toolchain")
def test_plutil_reads_the_project() -> None:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    done = swift_toolchain.run(
        ["plutil", "-lint", "--", PROJECT / "project.pbxproj"], reads=[IOS], writes=SCRATCH
    )
    assert ": OK" in done.stdout, done.stdout


def copy_artifacts(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [IOS / "copy_artifacts.sh"],
        env={
            "PATH": "/usr/bin:/bin",
            "EDGEFORM_ARTIFACTS": str(source),
            "TARGET_BUILD_DIR": str(target),
            "UNLOCALIZED_RESOURCES_FOLDER_PATH": "Edgeform.app",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def test_artifacts_for_ios_are_copied_and_no_others(built: Built, tmp_path: Path) -> None:
    source, target = tmp_path / "artifacts", tmp_path / "built"
    whole = built().folder
    for name in ("mine", "other target", "mine.failed"):
        shutil.copytree(whole, source / name)
    manifest = source / "other target" / "manifest.json"
    text = manifest.read_text("utf-8")
    manifest.write_text(text.replace('"name": "xnnpack"', '"name": "vulkan"'), encoding="utf-8")
    done = copy_artifacts(source, target)
    assert done.returncode == 0, done.stderr
    copied = target / "Edgeform.app" / "artifacts"
    assert [folder.name for folder in copied.iterdir()] == ["mine"]
    assert {path.name for path in (copied / "mine").iterdir()} == {
        *("manifest.json", "labels.txt", "model.pte", "golden")
    }
    assert (copied / "mine" / "model.pte").read_bytes() == (whole / "model.pte").read_bytes()
    assert not list(copied.rglob("reference_*"))


def test_without_artifacts_the_build_ends_with_an_error(tmp_path: Path) -> None:
    done = copy_artifacts(tmp_path, tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: There is no artifact for iOS in ")
    assert "edgeform demo" in done.stderr
