"""``make android-test``: the Android sources, compiled and tested by Maven without the SDK."""

import hashlib
import os
import shutil
import subprocess
import tarfile
import xml.etree.ElementTree as ET
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from export_targets.artifact.latency_folder import read_report
from export_targets.artifact.latency_report import LatencyReport
from export_targets.runners.processes.phases import HEIGHT, WIDTH
from tests.apps.golden import write_golden
from tests.apps.minified import DEFAULT_RULES, Names, looked_up, lost, packed, r8, unminified
from tests.conftest import Built

ANDROID = Path(__file__).parents[2] / "apps" / "android"
API = Path(__file__).parent / "executorch_1_5"
MODULES = {"core": 49, "app": 67}  # and at least so many tests in each
MINUTES = 20  # a first run downloads the compiler and the framework
# ExecuTorch's Java classes and its library, API 1.3, as a package ships them: its own AAR is not
# needed to compile
NPM_PACKAGE = "react-native-executorch@0.9.3"
SHIPPED = {
    "package/android/libs/classes.jar": (
        "d6b63816ac0831759ee79835ee1546191551bc0b58ac8f85396b8a6d121320b1"
    ),
    "package/third-party/android/libs/executorch/arm64-v8a/libexecutorch.so": (
        "1de9b8f3ab0ba711aeddc76516554c80a82814e5c3a8f36a0dcfdfb6be069120"
    ),
}

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
def executorch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the classes that the app is compiled against, and of their library."""
    kept = ANDROID / "target" / "executorch"
    if not all((kept / Path(name).name).is_file() for name in SHIPPED):
        folder = tmp_path_factory.mktemp("npm")
        subprocess.run(
            ["npm", "pack", "--silent", NPM_PACKAGE], cwd=folder, check=True, capture_output=True
        )
        kept.mkdir(parents=True, exist_ok=True)
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            for name in SHIPPED:
                archive.extract(name, folder, filter="data")
                shutil.move(folder / name, kept / Path(name).name)
    for name, digest in SHIPPED.items():
        found = hashlib.sha256((kept / Path(name).name).read_bytes()).hexdigest()
        assert found == digest, name
    return kept


@pytest.fixture(scope="session")
def maven(built: Built, executorch: Path, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
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
    if name == "app":  # what every program prepares while it measures
        assert (report.image.width, report.image.height) == (WIDTH, HEIGHT)


@pytest.mark.parametrize("screen", ["classify", "camera", "self_test", "benchmark"])
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


def project(folder: Path) -> Path:
    """A new folder with the poms, the app's resources, and core without its tests."""
    for name in ("pom.xml", "app/pom.xml", "app/src/main/AndroidManifest.xml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ANDROID / name, folder / name)
    shutil.copytree(ANDROID / "app" / "src" / "main" / "res", folder / "app/src/main/res")
    shutil.copytree(
        ANDROID / "core", folder / "core", ignore=shutil.ignore_patterns("target", "test")
    )
    return folder


def test_an_api_newer_than_min_sdk_stops_the_build(
    maven: Outcome, executorch: Path, tmp_path: Path
) -> None:
    assert maven.code == 0
    source = (
        project(tmp_path) / "app" / "src" / "main" / "kotlin" / "edgeform" / "app" / "TooNew.kt"
    )
    source.parent.mkdir(parents=True)
    source.write_text(TOO_NEW, encoding="utf-8")
    classes = f"-Dexecutorch.classes={executorch / 'classes.jar'}"
    done = run_maven(tmp_path, "--offline", classes, "process-classes")
    assert done.returncode != 0
    lines = [line for line in done.stdout.splitlines() if "Undefined reference" in line]
    assert len(lines) == 1, done.stdout[-3000:]
    assert ":9: " in lines[0]
    assert "getCurrentThermalStatus" in lines[0]


def test_it_compiles_against_the_api_of_the_runtime_that_users_get(
    maven: Outcome, tmp_path: Path
) -> None:
    """ExecuTorch 1.5's is Kotlin, with nullable parameters and another overload of ``load``."""
    assert maven.code == 0
    sources = project(tmp_path) / "app" / "src"
    shutil.copytree(ANDROID / "app" / "src", sources, dirs_exist_ok=True)
    shutil.copytree(API, tmp_path / "executorch")
    parent = (tmp_path / "pom.xml").read_text(encoding="utf-8")
    parent = parent.replace("<modules>", "<modules><module>executorch</module>")
    (tmp_path / "pom.xml").write_text(parent, encoding="utf-8")
    classes = tmp_path / "executorch" / "target" / "classes.jar"
    done = run_maven(tmp_path, "--offline", f"-Dexecutorch.classes={classes}", "test-compile")
    assert done.returncode == 0, done.stdout[-3000:]
    assert (tmp_path / "app/target/test-classes/edgeform/app/ExecuTorchLoaderTest.class").is_file()


@dataclass(frozen=True)
class Minifying:
    """What R8 reads, beside the app's rules: the program's jars by name, and the libraries."""

    tool: Path
    rules: Path
    jars: dict[str, Path]
    libraries: list[str]
    native: list[Path]


@pytest.fixture(scope="module")
def minifying(
    maven: Outcome, executorch: Path, tmp_path_factory: pytest.TempPathFactory
) -> Minifying:
    assert maven.code == 0
    folder = tmp_path_factory.mktemp("minifying")
    made = ANDROID / "app" / "target"
    fetched = made / "minifying"
    with zipfile.ZipFile(fetched / "fbjni.aar") as archive:
        for name in ("classes.jar", "jni/arm64-v8a/libfbjni.so"):
            archive.extract(name, folder / "fbjni")
    rules = folder / "rules.pro"
    screens = (made / "resources" / "rules.pro").read_text(encoding="utf-8")
    rules.write_text(DEFAULT_RULES + screens, encoding="utf-8")
    classes = {
        "core": packed(ANDROID / "core/target/classes", folder / "core.jar"),
        "app": packed(made / "classes", folder / "app.jar"),
    }
    executorch_jar = {
        "executorch": executorch / "classes.jar",
        "fbjni": folder / "fbjni/classes.jar",
    }
    others = {
        name: fetched / f"{name}.jar" for name in ("nativeloader", "kotlin-stdlib", "annotations")
    }
    java = Path(shutil.which("javac") or "").resolve().parents[1]
    native = [executorch / "libexecutorch.so", folder / "fbjni/jni/arm64-v8a/libfbjni.so"]
    jars = {**classes, **executorch_jar, **others}
    framework = (made / "resources" / "framework").read_text(encoding="utf-8")
    return Minifying(fetched / "r8.jar", rules, jars, [str(java), framework], native)


@pytest.fixture(scope="module")
def wanted(minifying: Minifying, tmp_path_factory: pytest.TempPathFactory) -> Names:
    """What the native side can look up in ExecuTorch's and fbjni's classes."""
    program = [minifying.jars["executorch"], minifying.jars["fbjni"]]
    out = tmp_path_factory.mktemp("wanted") / "out"
    classes = unminified(minifying.tool, program, minifying.libraries, out)
    return looked_up(minifying.native, classes)


def test_what_the_native_side_looks_up_is_read_from_it(wanted: Names) -> None:
    """As ExecuTorch's and fbjni's C++ sources ask for it."""
    asked = {
        "org/pytorch/executorch/Module": {"initHybrid", "executeNative", "loadMethodNative"},
        "org/pytorch/executorch/Tensor": {"nativeNewTensor", "dtypeJniCode", "shape"},
        "org/pytorch/executorch/EValue": {"mTypeCode", "from", "toTensor"},
        "org/pytorch/executorch/ExecutorchRuntimeException": {"makeExecutorchException"},
        "com/facebook/jni/HybridData": {"mDestructor"},
        "com/facebook/jni/HybridData$Destructor": {"mNativePointer", "deleteNative"},
        "com/facebook/jni/ExceptionHelper": {"getErrorDescription"},
        "com/facebook/jni/CppException": {"<init>"},
    }
    assert lost(asked, wanted) == set()


def test_a_minified_app_keeps_what_the_native_side_looks_up(
    minifying: Minifying, wanted: Names, tmp_path: Path
) -> None:
    program = list(minifying.jars.values())
    made = r8(minifying.tool, program, minifying.libraries, minifying.rules, tmp_path / "out")
    assert lost(wanted, made) == set()
    assert "edgeform/app/ClassifyActivity" in made  # by the manifest's rules
    assert "edgeform/core/Preprocessing" not in made  # it was minified


def test_without_the_rules_of_core_the_native_side_finds_little(
    minifying: Minifying, wanted: Names, tmp_path: Path
) -> None:
    jars = dict(minifying.jars)
    jars["core"] = packed(
        ANDROID / "core/target/classes", tmp_path / "core.jar", "META-INF/proguard"
    )
    rules = tmp_path / "rules.pro"
    rules.write_text(minifying.rules.read_text() + "-dontwarn javax.annotation.Nullable\n")
    made = r8(minifying.tool, list(jars.values()), minifying.libraries, rules, tmp_path / "out")
    gone = lost(wanted, made)
    assert "com/facebook/jni/HybridData$Destructor" in gone
    assert "org/pytorch/executorch/EValue" in gone
