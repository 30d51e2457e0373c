"""``make ios-test``: the Swift core, compiled and tested on files that Python has just written."""

import shutil
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

from export_targets.artifact.folder import open_artifact
from export_targets.artifact.latency_folder import import_report
from tests.apps import swift_toolchain
from tests.apps.golden import write_golden
from tests.conftest import Built

ROOT = Path(__file__).parents[2]
CORE = ROOT / "apps" / "ios" / "EdgeformCore"
SCRATCH = ROOT / "build" / "ios"
TESTS = 27  # and at least so many

absent = swift_toolchain.absent()
pytestmark = pytest.mark.skipif(bool(absent), reason=f"the iOS tests need {absent}")


@dataclass(frozen=True)
class Outcome:
    """A finished run of a package's tests: its output and how many passed."""

    code: int
    output: str
    passed: int
    written: Path


@pytest.fixture(scope="session")
def core(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    golden = tmp_path_factory.mktemp("ios") / "golden"
    golden.mkdir()
    write_golden(golden, built().folder)
    SCRATCH.mkdir(parents=True, exist_ok=True)
    report = SCRATCH / "core-tests.xml"
    written = SCRATCH / "written"
    report.unlink(missing_ok=True)  # nothing of an earlier run may count
    shutil.rmtree(written, ignore_errors=True)
    written.mkdir()
    done = swift_toolchain.run(
        [
            # in release: the pixels' tests take minutes without the optimizer
            *("swift", "test", "--package-path", CORE, "--scratch-path", SCRATCH / "core"),
            *("-c", "release", "-Xswiftc", "-enable-testing", "-Xswiftc", "-warnings-as-errors"),
            *("--disable-swift-testing", "--parallel", "--xunit-output", report),
        ],
        reads=[CORE, golden],
        writes=SCRATCH,
        environment={"EDGEFORM_GOLDEN": golden, "EDGEFORM_WRITTEN": written},
    )
    return Outcome(done.returncode, done.stdout, count_passed(report), written)


def count_passed(report: Path) -> int:
    """The tests that ran and passed; 0 where the build failed before them."""
    if not report.is_file():
        return 0
    suites = [suite.attrib for suite in ET.parse(report).getroot().iter("testsuite")]
    return sum(
        int(suite["tests"]) - sum(int(suite.get(kind, 0)) for kind in ("errors", "failures"))
        for suite in suites
    )


def test_the_core_compiles_and_its_tests_pass(core: Outcome) -> None:
    assert core.code == 0, core.output[-6000:]
    assert core.passed >= TESTS, core.output[-6000:]


@pytest.mark.parametrize(("name", "iterations"), [("full", 3), ("bare", 1)])
def test_its_latency_reports_can_be_imported(
    name: str, iterations: int, core: Outcome, built: Built
) -> None:
    report = import_report(open_artifact(built().folder), core.written / f"{name}.json")
    assert (report.runner, report.iterations) == ("ios", iterations)
    assert report.interrupted == (name == "bare")
    assert (report.thermal is None) == (report.compute_plan is None) == (name == "bare")
