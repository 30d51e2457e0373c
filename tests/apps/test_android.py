"""``make android-test``: the Android sources, compiled and tested by Maven without the SDK."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from export_targets.artifact.latency_folder import read_report
from export_targets.artifact.latency_report import LatencyReport
from tests.apps.golden import write_golden
from tests.conftest import Built

ANDROID = Path(__file__).parents[2] / "apps" / "android"
MODULES = {"core": 39, "app": 49}  # and at least so many tests in each
MINUTES = 20  # a first run downloads the compiler and the framework
# ExecuTorch's Java classes, API 1.3, as a package ships them: its own AAR is not needed to compile
NPM_PACKAGE = "react-native-executorch@0.9.3"
CLASSES = "package/android/libs/classes.jar"
CLASSES_SHA256 = "d6b63816ac0831759ee79835ee1546191551bc0b58ac8f85396b8a6d121320b1"

NEEDED = {"javac": "a JDK 17", "mvn": "Maven", "npm": "npm", "aapt2": "Android's aapt2"}
missing = [name for tool, name in NEEDED.items() if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"the Android tests need {', '.join(missing)}"
)


@dataclass(frozen=True)
class Outcome:
    """A finished run of Maven: its output, and by module the tests that passed."""

    code: int
    output: str
    passed: dict[str, int]
    written: Path


def run_maven(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["mvn", "--batch-mode", "--no-transfer-progress", *arguments]
    return subprocess.run(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60 * MINUTES,
        env={**os.environ, "MAVEN_OPTS": "-Xmx1g"},
    )


@pytest.fixture(scope="session")
def executorch_classes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The classes that the app is compiled against, fetched once."""
    jar = ANDROID / "target" / "executorch" / "classes.jar"
    if not jar.is_file():
        folder = tmp_path_factory.mktemp("npm")
        subprocess.run(
            ["npm", "pack", "--silent", NPM_PACKAGE], cwd=folder, check=True, capture_output=True
        )
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            archive.extract(CLASSES, folder, filter="data")
        jar.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(folder / CLASSES, jar)
    assert hashlib.sha256(jar.read_bytes()).hexdigest() == CLASSES_SHA256
    return jar


@pytest.fixture(scope="session")
def maven(
    built: Built, executorch_classes: Path, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    golden = tmp_path_factory.mktemp("android") / "golden"
    golden.mkdir()
    write_golden(golden, built().folder)
    for module in MODULES:  # nothing of an earlier run may count
        for made in ("surefire-reports", "classes", "test-classes"):
            shutil.rmtree(ANDROID / module / "target" / made, ignore_errors=True)
    done = run_maven(ANDROID, f"-Dedgeform.golden={golden}", "test")
    passed = {module: count_passed(ANDROID / module) for module in MODULES}
    return Outcome(done.returncode, done.stdout, passed, golden / "written")


def count_passed(module: Path) -> int:
    """The tests that ran and passed, from Surefire's reports."""
    reports = (module / "target" / "surefire-reports").glob("TEST-*.xml")
    suites = [ET.parse(report).getroot().attrib for report in reports]
    return sum(
        int(suite["tests"]) - sum(int(suite[kind]) for kind in ("errors", "failures", "skipped"))
        for suite in suites
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_compiles_and_its_tests_pass(module: str, maven: Outcome) -> None:
    assert maven.code == 0, maven.output[-6000:]
    assert maven.passed[module] >= MODULES[module], maven.passed


@pytest.mark.parametrize(
    ("name", "iterations", "threads", "interrupted"),
    [("full", 3, 4, False), ("bare", 1, 4, True), ("app", 4, 2, False)],
)
def test_its_latency_reports_are_valid(
    name: str, iterations: int, threads: int, interrupted: bool, maven: Outcome
) -> None:
    report: LatencyReport = read_report(maven.written / f"{name}.json")
    assert report.iterations == iterations
    assert report.interrupted == interrupted
    assert report.runtime.threads == threads
    assert (report.thermal is None) == (name == "bare")


@pytest.mark.parametrize("screen", ["classify", "self_test", "benchmark"])
def test_each_screen_is_drawn_in_light_and_dark(screen: str, maven: Outcome) -> None:
    light, dark = (
        Image.open(maven.written / "screens" / f"{screen}_{mode}.png").convert("RGB")
        for mode in ("light", "dark")
    )
    assert light.size == dark.size == (720, 1280)
    for picture, ground in ((light, (255, 255, 255)), (dark, (16, 20, 24))):
        colours = picture.getcolors(2**20)
        assert colours is not None
        assert max(colours)[1] == ground
        assert len(colours) > 20  # text and bars, not an empty screen


TOO_NEW = """
package edgeform.app

import android.os.PowerManager

@ChecksApiLevel
fun guarded(power: PowerManager) = power.currentThermalStatus

fun unguarded(power: PowerManager) = power.currentThermalStatus

annotation class ChecksApiLevel
"""


def test_an_api_newer_than_min_sdk_stops_the_build(maven: Outcome, tmp_path: Path) -> None:
    assert maven.code == 0
    for name in ("pom.xml", "app/pom.xml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ANDROID / name, tmp_path / name)
    shutil.copytree(ANDROID / "app" / "src" / "main" / "res", tmp_path / "app/src/main/res")
    manifest = "app/src/main/AndroidManifest.xml"
    shutil.copy(ANDROID / manifest, tmp_path / manifest)
    shutil.copytree(ANDROID / "target" / "executorch", tmp_path / "target" / "executorch")
    shutil.copytree(ANDROID / "core", tmp_path / "core", ignore=shutil.ignore_patterns("target"))
    source = tmp_path / "app" / "src" / "main" / "kotlin" / "edgeform" / "app" / "TooNew.kt"
    source.parent.mkdir(parents=True)
    source.write_text(TOO_NEW, encoding="utf-8")
    done = run_maven(tmp_path, "--offline", "process-classes")
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if "Undefined reference" in line]
    assert len(lines) == 1, done.stdout[-3000:]
    assert ":9: " in lines[0]
    assert "getCurrentThermalStatus" in lines[0]
