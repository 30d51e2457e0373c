"""``make ios-test``: the Swift core, compiled and tested on files that Python has just written."""

import shutil
import sys

import pytest

from export_targets.artifact.folder import open_artifact
from export_targets.artifact.latency_folder import import_report
from tests.apps import swift_toolchain
from tests.apps.golden import write_golden
from tests.apps.ios_package import IOS, SCRATCH
from tests.apps.swift_tests import Outcome, ran
from tests.conftest import Built

CORE = IOS / "EdgeformCore"
WRITTEN = SCRATCH / "written"
# Debian's toolchain links Observation with a symbol that is in no library
LINKING = ("-Xlinker", "--allow-shlib-undefined") if sys.platform == "linux" else ()
TESTS = 27  # and at least so many

absent = swift_toolchain.absent()
pytestmark = pytest.mark.skipif(bool(absent), reason=f"the iOS tests need {absent}")


@pytest.fixture(scope="session")
def core(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    golden = tmp_path_factory.mktemp("ios") / "golden"
    golden.mkdir()
    write_golden(golden, built().folder)
    shutil.rmtree(WRITTEN, ignore_errors=True)
    WRITTEN.mkdir(parents=True)
    return ran(
        "core",
        lambda report: swift_toolchain.run(
            [
                # in release: the pixels' tests take minutes without the optimizer
                *("swift", "test", "--package-path", CORE, "--scratch-path", SCRATCH / "core"),
                *("-c", "release", "-Xswiftc", "-enable-testing"),
                *("-Xswiftc", "-warnings-as-errors", *LINKING),
                *("--disable-swift-testing", "--parallel", "--xunit-output", report),
            ],
            reads=[CORE, golden],
            writes=SCRATCH,
            environment={"EDGEFORM_GOLDEN": golden, "EDGEFORM_WRITTEN": WRITTEN},
        ),
    )


def test_the_core_compiles_and_its_tests_pass(core: Outcome) -> None:
    assert core.code == 0, core.output[-6000:]
    assert core.passed >= TESTS, core.output[-6000:]


@pytest.mark.parametrize(("name", "iterations"), [("full", 3), ("bare", 1)])
def test_its_latency_reports_can_be_imported(
    name: str, iterations: int, core: Outcome, built: Built
) -> None:
    report = import_report(open_artifact(built().folder), WRITTEN / f"{name}.json")
    assert (report.runner, report.iterations) == ("ios", iterations)
    assert report.interrupted == (name == "bare")
    if report.compute_plan is not None:
        assert report.schema_version == "1.2"
        assert str(report.compute_plan).startswith("1 on the Neural Engine, 0 on the GPU, 1 on")
        assert [row.cost for row in report.compute_plan.operators] == [None, 0.75]
    assert (report.thermal is None) == (report.compute_plan is None) == (name == "bare")
