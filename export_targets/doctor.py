"""``doctor``: what this machine has, and what it can therefore build, verify and run."""

import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

from export_targets.runner import all_runners
from export_targets.target import all_targets

DISTRIBUTION = "edgeform"


@dataclass(frozen=True)
class Check:
    """One thing the product needs; ``remedy`` is empty where it is well."""

    name: str
    found: str
    ok: bool
    remedy: str


@dataclass(frozen=True)
class Ability:
    """Whether a target builds here, and the runners that execute its files here."""

    target: str
    build: str
    verify: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    machine: dict[str, str]
    packages: list[Check]
    abilities: list[Ability]


def package_checks() -> list[Check]:
    """Every runtime dependency: its installed version against the tested range."""
    checks = []
    for line in requires(DISTRIBUTION) or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        wanted = f"{requirement.name}{requirement.specifier}"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            checks.append(Check(requirement.name, "absent", False, f"pip install '{wanted}'"))
            continue
        ok = requirement.specifier.contains(installed, prereleases=True)
        remedy = "" if ok else f"not tested with {installed}: pip install '{wanted}'"
        checks.append(Check(requirement.name, installed, ok, remedy))
    return checks


def outside_tested_range() -> list[str]:
    """A warning for each installed package outside its tested range."""
    return [
        f"{check.name} {check.found}: {check.remedy}"
        for check in package_checks()
        if not check.ok and check.found != "absent"
    ]


def machine() -> dict[str, str]:
    """Facts of this machine that decide what can run here."""
    disk = shutil.disk_usage(Path.cwd())
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "free disk": f"{disk.free / 1e9:.0f} GB",
        "compiler": shutil.which("c++") or "absent",
    }


def abilities(packages: list[Check]) -> list[Ability]:
    """For each target: whether it builds here, and which runners execute its files here."""
    absent = [check.name for check in packages if check.found == "absent"]
    rows = []
    for target in all_targets().values():
        able = [runner.name for runner in all_runners().values() if target.name in runner.targets]
        build = f"no: {', '.join(absent)} absent" if absent else "yes"
        rows.append(Ability(target.name, build, ", ".join(able) if able and not absent else "no"))
    return rows


def diagnose() -> Diagnosis:
    """Everything at once."""
    packages = package_checks()
    return Diagnosis(machine(), packages, abilities(packages))
