"""Processes that measure in turns: they stand still in between, and none outlives its parent."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from edge_models.errors import RunnerError
from export_targets.runners.processes import measuring as turns
from export_targets.runners.processes.child import run_command
from export_targets.runners.processes.measuring import Turns
from export_targets.runners.processes.phases import timing_image

ECHO = """
import json, sys
def answer(content):
    print(json.dumps({"answer": content}), flush=True)
print("chatter of a library")
answer("ready")
for line in sys.stdin:
    print("more of it")
    answer([int(line)] * int(line))
answer("end")
"""
SLEEP = "import time; time.sleep(60)"
# a parent that says its child's number and waits
PARENT = """
import sys, time
from export_targets.runners.processes.measuring import Turns
with Turns([sys.executable, "-c", sys.argv[1]], "echo") as child:
    print(child.child.pid, flush=True)
    time.sleep(600)
"""


def echo(code: str = ECHO) -> Turns:
    return Turns([sys.executable, "-c", code], "echo")


def state(pid: int) -> str:
    """A process's state as Linux has it; empty where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def reaches(pid: int, wanted: str) -> bool:
    """Whether a process comes to a state within some seconds."""
    end = time.monotonic() + 20
    while state(pid) != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return state(pid) == wanted


def interrupt_timers(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on Ctrl-C comes as a timer starts."""
    start = threading.Timer.start

    def interrupted(self: threading.Timer) -> None:
        start(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Timer, "start", interrupted)


def assert_no_timer_is_left() -> None:
    timers = [found for found in threading.enumerate() if isinstance(found, threading.Timer)]
    for timer in timers:
        timer.join(5)
        assert not timer.is_alive()


def test_ctrl_c_as_a_turn_begins_leaves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    with echo() as child:
        interrupt_timers(monkeypatch)
        with pytest.raises(KeyboardInterrupt):
            child.turn(1)
        monkeypatch.undo()
    assert_no_timer_is_left()


def test_ctrl_c_as_a_file_begins_to_run_leaves_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_timers(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        run_command([sys.executable, "-c", SLEEP], "sleep", Path("model"), 30, lambda: None)
    assert_no_timer_is_left()


def test_answers_come_in_turns_and_chatter_is_passed_over() -> None:
    with echo() as child:
        assert child.ready == "ready"
        assert [child.turn(2), child.turn(3)] == [[2, 2], [3, 3, 3]]
        assert child.finish() == "end"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_process_stands_still_except_in_its_turn() -> None:
    busy = ECHO.replace(
        "for line in sys.stdin:",
        "import threading\ndef spin():\n    while True: 0\n"
        "threading.Thread(target=spin, daemon=True).start()\nfor line in sys.stdin:",
    )
    with echo(busy) as child:
        assert reaches(child.child.pid, "T")
        assert child.turn(1) == [1]
        assert reaches(child.child.pid, "T")


def test_a_turn_that_was_interrupted_does_not_take_the_place_of_the_end() -> None:
    with echo() as child:
        assert child.child.stdin is not None
        os.write(child.child.stdin.fileno(), b"2\n")
        assert child.finish() == "end"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("import sys; sys.exit('no such file')", r"echo: it ended with 1: no such file"),
        ("import os; os.abort()", r"echo: it ended with -6: no message"),
        ("print('{}')", r"echo: it ended with 0: no message"),
    ],
)
def test_a_process_that_ends_early_is_a_runner_error(code: str, why: str) -> None:
    with pytest.raises(RunnerError, match=why), echo(code):
        raise AssertionError("it was never ready")


def test_a_process_that_ends_in_its_turn_is_a_runner_error() -> None:
    code = ECHO.replace("answer([int(line)] * int(line))", "sys.exit('broken')")
    with echo(code) as child:
        with pytest.raises(RunnerError, match="ended with 1: broken"):
            child.turn(1)
        with pytest.raises(RunnerError, match="ended with 1: broken"):
            child.finish()


def test_a_process_that_never_answers_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SECONDS", 0.2)
    child = echo("import time; time.sleep(600)")
    with pytest.raises(RunnerError, match="echo: it took too long"), child:
        raise AssertionError("it was never ready")
    assert child.child.returncode == -signal.SIGKILL


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_stopped_process_does_not_outlive_a_killed_parent() -> None:
    command = [sys.executable, "-c", PARENT, ECHO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert reaches(child, "T")
        parent.kill()
    assert reaches(child, "") or state(child) == "Z"


def test_an_answer_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    turns.answer([1.5, "a"])
    assert json.loads(capsys.readouterr().out) == {"answer": [1.5, "a"]}


def test_the_picture_that_is_timed_is_the_one_of_the_apps() -> None:
    image = timing_image()
    assert (image.mode, image.size) == ("RGB", (1280, 960))
    for x, y in ((0, 0), (255, 0), (256, 0), (1279, 959), (7, 300)):
        assert image.getpixel((x, y)) == ((x + y) % 256,) * 3
