"""``doctor``: what this machine has, and what it can therefore build, verify and run.

It must work where packages are absent or broken: nothing here imports one before it is asked for.
"""

import importlib
import pkgutil
import platform
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from export_targets import targets
from export_targets.lowering.read_versions import READ, other_versions

if TYPE_CHECKING:
    from export_targets.target import Target

DISTRIBUTION = "edgeform"
ABSENT = "absent"
BACKENDS = {"executorch", "coremltools"}  # each needed by some targets; the rest by all


@dataclass(frozen=True)
class Check:
    """One thing the product needs; ``remedy`` is empty where it is well."""

    name: str
    found: str
    ok: bool
    remedy: str


@dataclass(frozen=True)
class Ability:
    """Whether a target builds here, and the runners that execute its files here; else what is
    missing and the remedy.
    """

    target: str
    build: str
    verify: str
    remedy: str


@dataclass(frozen=True)
class Diagnosis:
    """What was found."""

    machine: dict[str, str]
    packages: list[Check]
    abilities: list[Ability]


def package_checks() -> list[Check]:
    """Every runtime dependency: its installed version against the tested range."""
    try:
        lines = requires(DISTRIBUTION) or []
    except PackageNotFoundError:
        return [
            Check(DISTRIBUTION, ABSENT, False, "make install: it is run without being installed")
        ]
    requirements = [Requirement(line) for line in lines]
    return [
        _check(requirement)
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]


def _check(requirement: Requirement) -> Check:
    name, remedy = requirement.name, f"pip install '{requirement.name}{requirement.specifier}'"
    try:
        # a damaged installation has metadata without a version: None, or a KeyError
        installed = version(name) or "unknown"
    except PackageNotFoundError:
        return Check(name, ABSENT, False, remedy)
    except KeyError:
        installed = "unknown"
    try:
        ok = requirement.specifier.contains(Version(installed), prereleases=True)
    except InvalidVersion:
        ok = False
    return Check(name, installed, ok, "" if ok else f"not tested with {installed}: {remedy}")


def outside_tested_range() -> list[str]:
    """A warning for each installed package outside its tested range."""
    return [
        f"{check.name} {check.found}: {check.remedy}"
        for check in package_checks()
        if not check.ok and check.found != ABSENT
    ]


def machine() -> dict[str, str]:
    """Facts of this machine that decide what can run here."""
    disk = shutil.disk_usage(Path.cwd())
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "free disk": f"{disk.free / 1e9:.0f} GB",
        "compiler": shutil.which("c++") or ABSENT,
        "XNNPACK lowering": _lowering(),
    }


def _lowering() -> str:
    """Whether idle passes are left out of a lowering here."""
    try:
        other = other_versions()
    except (PackageNotFoundError, KeyError):
        return ABSENT
    if not other:
        return "shortened: passes with nothing to rewrite are left out"
    read = " ".join(f"{name}=={number}" for name, number in READ.items())
    return f"plain, about twice as long, for {', '.join(other)}: pip install {read}"


def abilities(packages: list[Check]) -> list[Ability]:
    """For each target: whether it builds here, and which runners execute its files here."""
    return [_ability(module.name, packages) for module in pkgutil.iter_modules(targets.__path__)]


def _ability(name: str, packages: list[Check]) -> Ability:
    try:
        target: Target = importlib.import_module(f"{targets.__name__}.{name}").TARGET
        from export_targets.runner import all_runners, runs_here

        known = [
            runner
            for runner in all_runners().values()
            if runs_here(runner, name) and runner.measure is None  # a phone may not be there
        ]
    except Exception as error:  # whatever a broken package raises when it is imported
        what = f"no: {type(error).__name__}: {error}"
        remedies = {check.name: check.remedy for check in packages}
        remedy = remedies.get(getattr(error, "name", None) or "")
        return Ability(name, what, "no", remedy or "install its packages again, named above")
    others = BACKENDS - set(target.packages)
    missing = [check for check in packages if check.found == ABSENT and check.name not in others]
    able = [
        f"{runner.name} after `{todo}`" if (todo := runner.absent()) else runner.name
        for runner in known
    ]
    return Ability(
        target.name,
        f"no: {', '.join(check.name for check in missing)} absent" if missing else "yes",
        ", ".join(able) if able and not missing else "no",
        "; ".join(check.remedy for check in missing),
    )


def diagnose() -> Diagnosis:
    """Everything at once."""
    packages = package_checks()
    return Diagnosis(machine(), packages, abilities(packages))
