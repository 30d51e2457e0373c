"""``make ios-test``: the app's sources, unmodified, on Linux.

Its adapter of ExecuTorch executes real artifacts with the C++ runtime of the executorch wheel.
"""

import shutil
from pathlib import Path

import pytest

from tests.apps import ios_package, swift_toolchain
from tests.apps.swift_tests import Outcome, ran
from tests.conftest import Built

TESTS = 3  # and at least so many

absent = swift_toolchain.absent()
pytestmark = pytest.mark.skipif(bool(absent), reason=f"the iOS tests need {absent}")


@pytest.fixture(scope="session")
def artifacts(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artifacts for XNNPACK: float, INT8, and of two heads."""
    folder = tmp_path_factory.mktemp("ios") / "artifacts"
    for result in (built(), built(recipe="int8"), built("digits_conformer", heads="both")):
        shutil.copytree(result.folder, folder / result.manifest.name)
    return folder


@pytest.fixture(scope="session")
def app(artifacts: Path) -> Outcome:
    package = ios_package.SCRATCH / "app"
    ios_package.assemble(package)
    return ran(
        "app",
        lambda report: ios_package.swift(
            "test",
            package,
            *("--disable-swift-testing", "--parallel", "--xunit-output", report),
            reads=(artifacts,),
            EDGEFORM_ARTIFACTS=artifacts,
        ),
    )


def test_the_app_compiles_and_its_tests_pass(app: Outcome) -> None:
    assert app.code == 0, app.output[-6000:]
    assert app.passed >= TESTS, app.output[-6000:]
