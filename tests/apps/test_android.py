"""``make android-test``: the Android sources, compiled and tested by Maven without the SDK."""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest

from export_targets.latency import LatencyReport
from export_targets.latency_folder import read_report
from tests.apps.golden import write_golden
from tests.conftest import Built

ANDROID = Path(__file__).parents[2] / "apps" / "android"
MODULES = ("core",)
MINUTES = 15  # a first run downloads the compiler and the framework

tools = ("javac", "mvn")
missing = [tool for tool in tools if shutil.which(tool) is None]
pytestmark = pytest.mark.skipif(
    bool(missing), reason=f"the Android tests need {', '.join(missing)} (a JDK 17 and Maven)"
)


@dataclass(frozen=True)
class Outcome:
    """A finished run of Maven: its output, and by module the tests that ran."""

    code: int
    output: str
    tests: dict[str, int]
    golden: Path


@pytest.fixture(scope="session")
def maven(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    golden = tmp_path_factory.mktemp("android") / "golden"
    golden.mkdir()
    write_golden(golden, built().folder)
    for module in MODULES:  # results of an earlier run must not be counted
        shutil.rmtree(ANDROID / module / "target" / "surefire-reports", ignore_errors=True)
    command = [
        "mvn",
        "--batch-mode",
        "--no-transfer-progress",
        f"-Dedgeform.golden={golden}",
        "test",
    ]
    done = subprocess.run(
        command,
        cwd=ANDROID,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60 * MINUTES,
        env={**os.environ, "MAVEN_OPTS": "-Xmx1g"},
    )
    tests = {module: count_tests(ANDROID / module) for module in MODULES}
    return Outcome(done.returncode, done.stdout, tests, golden)


def count_tests(module: Path) -> int:
    """The tests that ran and passed, from Surefire's reports."""
    reports = (module / "target" / "surefire-reports").glob("TEST-*.xml")
    suites = [ET.parse(report).getroot().attrib for report in reports]
    return sum(
        int(suite["tests"]) - sum(int(suite[kind]) for kind in ("errors", "failures", "skipped"))
        for suite in suites
    )


def test_every_module_compiles_and_its_tests_pass(maven: Outcome) -> None:
    assert maven.code == 0, maven.output[-6000:]
    assert min(maven.tests.values()) > 15, maven.tests


@pytest.mark.parametrize(
    ("name", "iterations", "interrupted"), [("full", 3, False), ("bare", 1, True)]
)
def test_its_latency_reports_are_valid(
    name: str, iterations: int, interrupted: bool, maven: Outcome
) -> None:
    report: LatencyReport = read_report(maven.golden / "written" / f"{name}.json")
    assert report.iterations == iterations
    assert report.interrupted == interrupted
    assert report.runtime.threads == 4
    assert (report.thermal is None) == (name == "bare")
