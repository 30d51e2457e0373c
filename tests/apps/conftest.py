"""The C++ runner of ``apps/linux`` for its tests: built with sanitizers, and for ARM64."""

import fcntl
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from export_targets.artifact.folder import MANIFEST
from export_targets.runners import linux
from export_targets.runners.bridges import cpp_build as linux_runner
from tests.conftest import Built

X86, ARM = "x86-64", "arm64"
SANITIZED = linux_runner.BINARIES / "x86-64-sanitized"

absent = linux_runner.absent(X86)
needs_runner = pytest.mark.skipif(bool(absent), reason=f"the C++ runner: {absent}")
without_arm = linux_runner.absent(ARM)
needs_arm = pytest.mark.skipif(bool(without_arm), reason=f"the ARM64 runner: {without_arm}")


@dataclass(frozen=True)
class Ended:
    """A finished run: its exit code, negative for a signal, and what it printed."""

    code: int
    out: str
    err: str


Runner = Callable[..., Ended]


@pytest.fixture(scope="session")
def binary() -> Path:
    linux_runner.BINARIES.mkdir(parents=True, exist_ok=True)
    with SANITIZED.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker of the tests builds the same
        return linux_runner.build(X86, SANITIZED, sanitize=True)


@pytest.fixture(scope="session")
def arm_binary() -> Path:
    return linux_runner.build(ARM, linux_runner.BINARIES / ARM)


@pytest.fixture
def runner(binary: Path) -> Runner:
    def run(*arguments: object, seconds: float = 60) -> Ended:
        command = [str(binary), *map(str, arguments)]
        done = subprocess.run(
            command, capture_output=True, errors="replace", check=False, timeout=seconds
        )
        assert "Sanitizer" not in done.stderr, done.stderr
        assert "runtime error" not in done.stderr, done.stderr
        return Ended(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def bare(built: Built, tmp_path: Path) -> Path:
    """A manifest alone."""
    folder = tmp_path / "bare"
    folder.mkdir()
    shutil.copy(built().folder / MANIFEST, folder)
    return folder


@pytest.fixture
def in_place(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sanitized program in the place of the one that `make runner` makes."""
    program = linux_runner.program
    monkeypatch.setattr(linux, "program", lambda name: binary if name == X86 else program(name))
