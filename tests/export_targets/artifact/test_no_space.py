"""A full disk, a folder that may not be written, output that goes nowhere: exit 2, nothing lost."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from edge_models.errors import InputError
from export_targets.artifact.folder import open_artifact
from export_targets.artifact.replacement import sole_build
from export_targets.target import Target
from tests.bad_input import as_nobody
from tests.conftest import SMALL, EdgeformInProcess
from tests.export_targets.made_up import write_made_up

pytestmark = pytest.mark.usefixtures("runner_here")

COMMAND = ("build", SMALL, "--target", "xnnpack", "--recipe", "fp32", "--force", "--out")
Mounted = Callable[[str], Path]


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Mounted]:
    """Mounts a file system in memory, with options; skips where that is not allowed."""
    folder = tmp_path / "mounted"
    folder.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        return folder

    yield mount
    subprocess.run(["umount", str(folder)], capture_output=True, check=False)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("kilobytes", [600, 1_500, 2_800, 4_200])
def test_a_full_disk_keeps_the_old_artifact(
    kilobytes: int, without_lowering: Target, mounted: Mounted, edgeform: EdgeformInProcess
) -> None:
    folder = mounted(f"size={kilobytes}k")
    out = write_made_up(folder / "artifact")
    old = open_artifact(out).manifest
    ran = edgeform(*COMMAND, out)
    assert ran.code == 2
    assert "No space left on device" in ran.err
    assert ran.err.splitlines()[-1] == "Check the path, rights and space."
    assert open_artifact(out).manifest == old
    assert names(folder) == ["artifact"]


def test_a_file_beyond_the_limit_keeps_the_old_artifact(
    without_lowering: Target, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    out = write_made_up(tmp_path / "artifact")
    old = open_artifact(out).manifest
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
    try:
        ran = edgeform(*COMMAND, out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ran.code == 2
    assert "File too large" in ran.err
    assert open_artifact(out).manifest == old
    assert names(tmp_path) == ["artifact"]


def test_a_read_only_file_system_is_refused_before_any_work(
    mounted: Mounted, edgeform: EdgeformInProcess
) -> None:
    folder = mounted("size=1m")
    out = write_made_up(folder / "artifact")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    ran = edgeform(*COMMAND, out)
    assert ran.code == 2
    assert "Read-only file system" in ran.err
    assert "Reference logits" not in ran.err
    assert open_artifact(out)  # and it can still be read


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    out = write_made_up(tmp_path / "artifact")
    with as_nobody(tmp_path):
        with pytest.raises(PermissionError), sole_build(out):  # exit 2, as every OSError
            raise AssertionError("the folder can be written")
        assert open_artifact(out).folder == out  # reading needs no such right
    assert names(tmp_path) == ["artifact"]


@pytest.mark.parametrize("name", ["model.pte", "golden/input_0.f32", "manifest.json"])
def test_a_file_without_permission_is_refused(name: str, tmp_path: Path) -> None:
    out = write_made_up(tmp_path / "artifact")
    (out / name).chmod(0o000)
    with as_nobody(tmp_path), pytest.raises(InputError, match="Permission denied") as error:
        open_artifact(out)
    assert name in error.value.what or str(out) in error.value.what


def listed(stdout: IO[bytes], *arguments: str) -> None:
    """Nothing but two lines on stderr tells of a stdout that takes nothing."""
    command = [sys.executable, "-m", "export_targets", "list", "models", *arguments]
    done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.splitlines()[1:] == ["The result was not printed."]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_output_that_cannot_be_written_is_an_error(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        listed(full, *arguments)


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_output_that_nobody_reads_is_an_error(arguments: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as pipe:
        listed(pipe, *arguments)
