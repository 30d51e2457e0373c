"""``doctor``: what is missing, with the remedy, whatever is missing."""

import importlib
import subprocess
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from export_targets.command_line import doctor
from export_targets.lowering import read_versions
from export_targets.runners.bridges import cpp_build as linux_runner
from export_targets.runners.processes import this_machine
from export_targets.target import all_targets
from tests.conftest import EdgeformInProcess

WITHOUT = """
import importlib.metadata, sys
name = sys.argv.pop(1)
sys.modules[name] = None
distribution = importlib.metadata.distribution
def absent(other):
    if other == name:
        raise importlib.metadata.PackageNotFoundError(other)
    return distribution(other)
importlib.metadata.distribution = absent
from export_targets.command_line import cli
cli.main()
"""


def test_doctor_says_what_this_machine_can_do(
    edgeform: EdgeformInProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(linux_runner, "BINARIES", tmp_path)
    (tmp_path / "x86-64").mkdir()
    (tmp_path / "x86-64" / linux_runner.PROGRAM).touch()
    ran = edgeform("doctor", "--json")
    assert ran.code == 0
    assert set(ran.document) == {"machine", "packages", "abilities"}
    found = {check["name"]: check for check in ran.document["packages"]}
    assert found["torch"]["ok"]
    assert found["executorch"]["found"]
    abilities = {row["target"]: row for row in ran.document["abilities"]}
    assert set(abilities) == set(all_targets())
    assert abilities["xnnpack"]["verify"] == "host, x86-64, arm64 after `make runner-arm64`"
    assert "torch" in edgeform("doctor").out


def test_doctor_says_whether_lowering_is_shortened(
    monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    assert edgeform("doctor", "--json").document["machine"]["XNNPACK lowering"].startswith("short")
    monkeypatch.setattr(read_versions, "READ", {"executorch": "1.5.0"})
    said = edgeform("doctor", "--json").document["machine"]["XNNPACK lowering"]
    assert said.startswith("plain")
    assert "executorch 1.5.1" in said


@pytest.mark.parametrize(("platform", "able"), [("linux", False), ("darwin", True)])
def test_what_only_a_mac_runs_is_listed_on_a_mac(
    platform: str, able: bool, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    monkeypatch.setattr(this_machine, "PLATFORM", platform)
    rows = {row["target"]: row for row in edgeform("doctor", "--json").document["abilities"]}
    assert ("mac" in rows["coreml"]["verify"].split(", ")) == able
    assert ("host" in rows["coreml_pte"]["verify"].split(", ")) == able
    assert "host" in rows["xnnpack"]["verify"].split(", ")


def test_doctor_names_an_absent_package(
    monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["abacus>=3", "torch>=999"])
    ran = edgeform("doctor", "--json")
    absent, old = ran.document["packages"]
    assert (absent["found"], absent["ok"]) == ("absent", False)
    assert absent["remedy"] == "pip install 'abacus>=3'"
    assert not old["ok"]
    assert all(row["build"].startswith("no:") for row in ran.document["abilities"])
    assert all(row["verify"] == "no" for row in ran.document["abilities"])


def test_a_command_warns_of_a_library_of_another_version(
    monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: ["torch>=999"])
    assert "warning: torch" in edgeform("verify", "nowhere").err
    assert "warning" not in edgeform("list").err


@pytest.mark.parametrize("version", ["not a version", "", None, "1.0.dev0+local", KeyError])
def test_any_installed_version_is_reported(
    version: Any, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    def installed(name: str) -> Any:
        if version is KeyError:
            raise KeyError("Version")
        return version

    monkeypatch.setattr(doctor, "version", installed)
    ran = edgeform("doctor", "--json")
    assert ran.code == 0
    for check in ran.document["packages"]:
        assert not check["ok"]
        assert "pip install" in check["remedy"]
    assert edgeform("doctor").code == 0


def test_a_program_that_is_not_installed_says_so(
    monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    def absent(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "requires", absent)
    (check,) = edgeform("doctor", "--json").document["packages"]
    assert (check["name"], check["found"]) == ("edgeform", "absent")
    assert "make install" in check["remedy"]


def test_a_target_that_cannot_be_imported_is_a_row_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    def broken(name: str) -> Any:
        raise RuntimeError(f"{name} does not fit this torch")

    targets = set(all_targets())
    monkeypatch.setattr(importlib, "import_module", broken)
    rows = edgeform("doctor", "--json").document["abilities"]
    assert {row["target"] for row in rows} == targets
    assert all("does not fit this torch" in row["build"] for row in rows)
    assert all(row["remedy"] for row in rows)


@pytest.mark.parametrize("package", ["executorch", "coremltools"])
def test_a_backend_is_missed_only_by_the_targets_that_name_it(
    package: str, monkeypatch: pytest.MonkeyPatch, edgeform: EdgeformInProcess
) -> None:
    monkeypatch.setattr(doctor, "requires", lambda _: [f"{package}>=1"])

    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(doctor, "version", absent)
    for row in edgeform("doctor", "--json").document["abilities"]:
        needed = package in all_targets()[row["target"]].packages
        assert row["build"] == (f"no: {package} absent" if needed else "yes")
        assert row["remedy"] == (f"pip install '{package}>=1'" if needed else "")


@pytest.mark.parametrize("package", ["torch", "torchao", "executorch", "numpy", "safetensors"])
def test_doctor_runs_without(package: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, "doctor"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "absent" in done.stdout
    assert f"pip install '{package}" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_command_that_needs_an_absent_package_points_to_doctor() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, "torch", "verify", "nowhere"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "torch" in done.stderr
    assert done.stderr.splitlines()[-1] == "`edgeform doctor` says what is missing here."
