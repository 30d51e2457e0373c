"""A run of a Swift package's tests: what it said, and how many of them passed."""

import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.apps.ios_package import SCRATCH


@dataclass(frozen=True)
class Outcome:
    code: int
    output: str
    passed: int


def ran(name: str, run: Callable[[Path], subprocess.CompletedProcess[str]]) -> Outcome:
    """Run tests that leave their report at the path that they get."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    report = SCRATCH / f"{name}-tests.xml"
    report.unlink(missing_ok=True)  # nothing of an earlier run may count
    done = run(report)
    return Outcome(done.returncode, done.stdout, count_passed(report))


def count_passed(report: Path) -> int:
    """The tests that ran and passed; 0 where the build failed before them."""
    if not report.is_file():
        return 0
    suites = [suite.attrib for suite in ET.parse(report).getroot().iter("testsuite")]
    return sum(
        int(suite["tests"]) - sum(int(suite.get(kind, 0)) for kind in ("errors", "failures"))
        for suite in suites
    )
