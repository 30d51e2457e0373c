"""``make ios-test``: the app's sources, unmodified, on Linux.

Its adapter of ExecuTorch executes real artifacts with the C++ runtime of the executorch wheel; what
only Apple has is compiled and driven through stand-ins: see tests/apps/ios.
"""

import json
import re
import shutil
import sys
from pathlib import Path

import pytest

from export_targets.artifact.folder import MANIFEST, open_artifact
from export_targets.artifact.latency_folder import read_report
from export_targets.runners.processes.phases import HEIGHT, WIDTH
from tests.apps import ios_package, swift_toolchain
from tests.apps.golden import with_tensors
from tests.apps.swift_tests import Outcome, ran
from tests.conftest import Built

TESTS = 26  # and at least so many
PACKAGE = ios_package.SCRATCH / "app"
WRITTEN = ios_package.SCRATCH / "written by the app"

absent = swift_toolchain.absent() if sys.platform == "linux" else "Linux; on a Mac, Xcode"
pytestmark = pytest.mark.skipif(bool(absent), reason=f"the iOS tests need {absent}")


@pytest.fixture(scope="session")
def artifacts(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts for XNNPACK (float, INT8, of two heads) and for Core ML (pictures, tensors)."""
    folder = tmp_path_factory.mktemp("ios") / "artifacts"
    results = [built(), built(recipe="int8"), built("digits_conformer", heads="both")]
    results.append(built(target="coreml", recipe="fp16"))
    for result in results:
        shutil.copytree(result.folder, folder / result.manifest.name)
    outputs = folder / f"{results[0].manifest.name}-outputs"  # tensors that are no logits
    shutil.copytree(results[0].folder, outputs)
    path = outputs / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    changed = with_tensors(manifest, {"mask": [1, 4], "box": [2, 3]})
    path.write_text(json.dumps(changed), encoding="utf-8")
    tensors = {"input": "tensor", "output": "logits"}
    result = built(target="coreml", recipe="fp16", options=tensors)
    shutil.copytree(result.folder, folder / f"{result.manifest.name}-tensors")
    return folder


@pytest.fixture(scope="session")
def app(artifacts: Path, built: Built, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    damaged = tmp_path_factory.mktemp("ios") / "damaged"
    shutil.copytree(built().folder, damaged / "damaged")
    (damaged / "damaged" / "model.pte").write_bytes(b"no program")
    ios_package.assemble(PACKAGE)
    for folder in (WRITTEN, ios_package.CACHE):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    return ran(
        "app",
        lambda report: ios_package.swift(
            "test",
            PACKAGE,
            *("-c", "release", "-Xswiftc", "-enable-testing"),
            *("--skip", "DeviceTests"),  # compiled here, run on a phone
            *("--disable-swift-testing", "--parallel", "--xunit-output", report),
            reads=(artifacts, damaged),
            EDGEFORM_ARTIFACTS=artifacts,
            EDGEFORM_DAMAGED=damaged,
            EDGEFORM_WRITTEN=WRITTEN,
        ),
    )


def test_the_app_compiles_and_its_tests_pass(app: Outcome) -> None:
    assert app.code == 0, app.output[-6000:]
    assert app.passed >= TESTS, app.output[-6000:]


def test_a_report_that_edgeform_asked_for_is_valid(app: Outcome, artifacts: Path) -> None:
    assert app.code == 0
    report = read_report(WRITTEN / "remote.json")
    assert (report.runner, report.iterations, report.warmup) == ("ios", 3, 1)
    assert report.runtime.threads is None
    assert (report.image.width, report.image.height) == (WIDTH, HEIGHT)
    assert any(
        open_artifact(folder).manifest.name == report.artifact for folder in artifacts.iterdir()
    )


MISTAKES = [
    ("ClassifyView.swift", "matching: .images", "filter: .images", "a label that is none"),
    ("ClassifyView.swift", "try await item.load", "try item.load", "a missing await"),
    ("ClassifyView.swift", "$model.artifact", "model.artifact", "a missing $"),
    ("ClassifyView.swift", ".resizable()", ".resizeable()", "an unknown member"),
    ("BenchmarkView.swift", "value: Double(done)", "value: done", "a number of another type"),
    ("BenchmarkView.swift", "in: 10...", "in: 10..<", "a range of another kind"),
    ("CoreMLClassifier.swift", "try await MLModel.compile", "await MLModel.compile", "no try"),
    ("ExecuTorchClassifier.swift", "Tensor<Float>(input", "Tensor<Double>(input", "a wrong type"),
    ("EdgeformApp.swift", "@MainActor final class Models", "final class Models", "no @MainActor"),
    ("ThisPhone.swift", "await UIDevice", "UIDevice", "the main actor's from another"),
]


@pytest.mark.parametrize(
    ("file", "right", "wrong", "what"), [("", "", "", "nothing"), *MISTAKES], ids=lambda v: str(v)
)
def test_a_typical_mistake_does_not_compile(
    file: str, right: str, wrong: str, what: str, app: Outcome, tmp_path: Path
) -> None:
    assert app.code == 0
    sources = Path(shutil.copytree(ios_package.IOS / "App", tmp_path / "App"))
    if file:
        text = (sources / file).read_text(encoding="utf-8")
        assert right in text
        (sources / file).write_text(text.replace(right, wrong), encoding="utf-8")
    done = ios_package.typecheck(PACKAGE, sources)
    assert (done.returncode == 0) == (not file), done.stdout[-3000:]
    if file:
        assert f"{file}:" in done.stdout, done.stdout[-3000:]


def test_the_lines_for_an_app_of_ones_own_compile(app: Outcome, tmp_path: Path) -> None:
    assert app.code == 0
    page = (ios_package.ROOT / "docs" / "ios.md").read_text(encoding="utf-8")
    (lines,) = re.findall(r"```swift\n(.*?)```", page, re.DOTALL)
    sources = Path(shutil.copytree(ios_package.IOS / "App", tmp_path / "App"))
    signature = "func own(_ folder: URL, _ data: Data) async throws"
    (sources / "Own.swift").write_text(
        f"import EdgeformCore\nimport Foundation\n{signature} {{\n{lines}}}\n", encoding="utf-8"
    )
    done = ios_package.typecheck(PACKAGE, sources)
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_sources_are_in_swifts_own_format() -> None:
    places = (ios_package.IOS, ios_package.STAND_INS)
    files = sorted(file for place in places for file in place.rglob("*.swift"))
    assert len(files) > 30
    done = swift_toolchain.run(
        ["swift-format", "lint", "--strict", *files], reads=places, writes=ios_package.SCRATCH
    )
    assert done.returncode == 0, done.stdout[-3000:]
    for file in files:
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 300, file
