"""One build at a time, killed or interrupted: the artifact at its name stays whole."""

import fcntl
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge_models.errors import InputError
from export_targets.artifact import replacement
from export_targets.artifact.folder import old_of, open_artifact
from export_targets.artifact.replacement import publish, sole_build, staging
from tests.conftest import SMALL, EdgeformInProcess
from tests.export_targets.made_up import CLASSES, SAMPLES, write_made_up

KILLS = 20
BUILD = ("build", SMALL, "--target", "xnnpack", "--recipe", "fp32", "--out")
# for each line of its input, begins a process; in it runs what is put in place of JOB
SERVER = """
import os, shutil, sys
from pathlib import Path
from export_targets.command_line import cli
from export_targets.artifact import replacement
from export_targets import pipeline
from tests.export_targets.made_up import write_made_up
out = Path(sys.argv[-1])
BEFORE
child = None
for _ in sys.stdin:
    if child:
        os.waitpid(child, 0)  # only now: until here a kill finds it, even if it has ended
    child = os.fork()
    if child == 0:
        JOB
    print(child, flush=True)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    print("ended", flush=True)
"""
# publishes a made-up artifact for ever
PUBLISHING = (
    'made = write_made_up(out.parent / "made up")',
    """
        while True:
            with replacement.sole_build(out), replacement.staging(out) as folder:
                shutil.copytree(made, folder, dirs_exist_ok=True)
                replacement.publish(folder, out)
""",
)
RENAMING = (f"{PUBLISHING[0]}; replacement._exchange = lambda *_: False", PUBLISHING[1])
# builds, with all that it imports loaded before
BUILDING = (
    "import executorch.exir, executorch.backends.xnnpack",
    "os.dup2(os.open(os.devnull, os.O_WRONLY), 1); cli.main()",
)
# a build that has written half of its model
WAITING = """
import sys, time
from export_targets.command_line import cli
from export_targets.artifact import replacement
from export_targets import pipeline

def build(plan, reporter):
    with replacement.staging(plan.out) as folder:
        (folder / "model.pte").write_bytes(b"half a model")
        print("waiting", file=sys.stderr, flush=True)
        time.sleep(600)

pipeline._build = build
cli.main()
"""
# a runner whose child process does not end and keeps this process's stderr open
CHILD = """
import subprocess, sys
from export_targets.command_line import cli
from export_targets.prove import verify

def run(*_):
    print("waiting", file=sys.stderr, flush=True)
    subprocess.run(["sleep", "600"], stdout=subprocess.PIPE)

verify.saved_logits = run
cli.main()
"""
REAL = """
import sys
from export_targets.command_line import cli
print("waiting", file=sys.stderr, flush=True)
cli.main()
"""


def start(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A process in a group of its own that Ctrl-C reaches, also where the tests' own ignore it."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *(str(a) for a in arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "artifact"


@pytest.fixture
def waiting(out: Path) -> Iterator[subprocess.Popen[str]]:
    """A build into ``out`` that does not end by itself."""
    process = start(WAITING, *BUILD, out)
    wait_for(process)
    yield process
    process.kill()
    process.communicate()


def wait_for(process: subprocess.Popen[str], line_begin: str = "waiting") -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(line_begin):
            return
    raise AssertionError("the process ended early")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Killer:
    """Begins processes from a server that has loaded its libraries, and ends them by kill -9."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.commands, self.answers = process.stdin, process.stdout

    def run(self, seconds: float | None) -> float:
        """Begin one and kill it after some seconds, or wait for its end; how long it ran."""
        print(file=self.commands, flush=True)
        begin = time.monotonic()
        child = int(self.answers.readline())
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        assert self.answers.readline() == "ended\n"
        return time.monotonic() - begin


@contextmanager
def killer(job: tuple[str, str], *arguments: object) -> Iterator[Killer]:
    code = SERVER.replace("BEFORE", job[0]).replace("JOB", job[1].strip())
    with start(code, *arguments) as process:
        yield Killer(process)
        assert process.stdin is not None
        process.stdin.close()


@pytest.mark.parametrize("job", [PUBLISHING, RENAMING], ids=["exchange", "rename"])
def test_a_kill_while_publishing_leaves_a_whole_artifact(job: tuple[str, str], out: Path) -> None:
    moments = random.Random(0)
    write_made_up(out)
    with killer(job, out) as victims:
        for _ in range(KILLS):
            victims.run(moments.uniform(0, 0.2))
            artifact = open_artifact(out)
            assert len(artifact.labels()) == CLASSES
            assert artifact.inputs().shape[0] == SAMPLES
    with sole_build(out), staging(out):
        assert open_artifact(out).folder == out
    assert names(out.parent) == ["artifact", "made up"]


def test_a_kill_at_any_moment_of_a_build_leaves_a_whole_artifact(out: Path) -> None:
    moments = random.Random(0)
    with killer(BUILDING, *BUILD, out) as victims:
        whole = victims.run(None)
        for _ in range(KILLS // 4):  # a whole build each
            victims.run(moments.uniform(0, whole))
            open_artifact(out)
        victims.run(None)
    assert names(out.parent) == ["artifact"]


def test_between_two_renames_readers_find_the_old_artifact_and_a_build_brings_it_back(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """Stands for the end of the process at this moment."""

    def killed(*_: object) -> None:
        raise Killed

    write_made_up(out)
    staged = write_made_up(out.with_name(".artifact.building"))
    rename = Path.rename
    monkeypatch.setattr(replacement, "_exchange", lambda *_: False)
    monkeypatch.setattr(
        Path, "rename", lambda path, to: killed() if path == staged else rename(path, to)
    )
    with pytest.raises(Killed):
        publish(staged, out)
    monkeypatch.undo()
    assert not out.exists()
    assert open_artifact(out).folder == old_of(out)
    with sole_build(out):
        assert open_artifact(out).folder == out
    assert not old_of(out).exists()


def test_an_old_artifact_beside_a_new_one_is_removed(out: Path) -> None:
    write_made_up(out)
    write_made_up(old_of(out))
    with sole_build(out):
        assert open_artifact(out).folder == out
        assert not old_of(out).exists()


def test_a_killed_build_leaves_hidden_files_that_the_next_one_removes(
    waiting: subprocess.Popen[str], out: Path
) -> None:
    assert names(out.parent) == [".artifact.building", ".artifact.lock"]
    waiting.kill()
    waiting.communicate()
    assert all(name.startswith(".") for name in names(out.parent))
    with sole_build(out), staging(out) as folder:
        assert names(folder) == []
    assert names(out.parent) == []


def test_of_two_builds_into_one_folder_the_second_says_so_and_the_first_wins_whole(
    out: Path, edgeform: EdgeformInProcess
) -> None:
    process = start(REAL, *BUILD, out)
    wait_for(process, "Images")
    ran = edgeform(*BUILD, out)
    assert ran.code == 2
    assert ran.err.splitlines()[-2] == f"Another build into {out} is at work."
    assert process.poll() is None
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert open_artifact(out).folder == out
    assert names(out.parent) == ["artifact"]


def test_a_lock_file_that_was_removed_meanwhile_is_no_lock(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, flock, seen = out.with_name(".artifact.lock"), fcntl.flock, []

    def late(file: int, how: int) -> None:
        seen.append(os.fstat(file.fileno()).st_ino)  # type: ignore[attr-defined]
        if len(seen) == 1:
            lock.unlink()
            lock.touch()  # by the build that came between
        flock(file, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with sole_build(out):
        assert lock.stat().st_ino == seen[-1]
    assert len(seen) == 2


def test_folders_that_were_made_for_a_refused_build_are_removed(out: Path) -> None:
    deep = out / "new" / "artifact"
    with pytest.raises(InputError, match="refused"), sole_build(deep):
        raise InputError("refused", "again")
    assert not out.exists()


def test_the_lock_is_free_again_after_an_error(out: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="broken"), sole_build(out):
            raise ValueError("broken")


@pytest.mark.parametrize("to_group", [True, False])
def test_ctrl_c_ends_a_build_at_once(
    to_group: bool, waiting: subprocess.Popen[str], out: Path
) -> None:
    interrupt(waiting, to_group)
    assert names(out.parent) == []


@pytest.mark.parametrize("to_group", [True, False])
def test_ctrl_c_ends_a_child_process_too(to_group: bool, tmp_path: Path) -> None:
    folder = write_made_up(tmp_path / "artifact")
    process = start(CHILD, "verify", folder)
    wait_for(process)
    time.sleep(0.3)
    interrupt(process, to_group)  # and all that keep its stderr open have ended
    assert names(tmp_path) == ["artifact"]


@pytest.mark.parametrize("stage", ["waiting", "Images", "Export", "Lowering"])
def test_ctrl_c_in_a_real_build_leaves_nothing(stage: str, out: Path) -> None:
    process = start(REAL, *BUILD, out)
    wait_for(process, stage)
    time.sleep(0.5)  # in what follows it: imports, the edge form, lowering, the runner's process
    interrupt(process, to_group=True)
    assert names(out.parent) == []


def interrupt(process: subprocess.Popen[str], to_group: bool) -> None:
    """Ctrl-C: the process ends soon, with the contract's code and line and no traceback."""
    (os.killpg if to_group else os.kill)(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors.splitlines()[-2:] == ["Interrupted.", "Nothing was replaced."]
    assert "Traceback" not in errors
