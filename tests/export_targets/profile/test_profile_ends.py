"""``profile`` that is interrupted or killed: what it leaves."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from export_targets.artifact.folder import open_artifact
from export_targets.artifact.latency_folder import LATENCY, stored_reports
from tests.export_targets.made_up_latency import reports_of

# profiles with a runner that is made up and takes some seconds a turn
PROFILING = """
import sys
from pathlib import Path
from export_targets.command_line import cli
from export_targets.runner import all_runners
from tests.export_targets.runners.fake_runner import fake_runner

seconds, names = float(sys.argv.pop(1)), ("one", "two")
all_runners()["host"] = fake_runner(dict.fromkeys(names, 4.0), seconds)
print("waiting", file=sys.stderr, flush=True)
cli.main()
"""
KILLS = 6

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def start(seconds: float, *arguments: object) -> subprocess.Popen[str]:
    """A profile by a made-up runner, which Ctrl-C reaches."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROFILING, str(seconds), "profile", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "waiting\n"
    return process


def children(process: int) -> list[int]:
    found = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8")
    return [int(number) for number in found.split()]


def wait_for_children(process: subprocess.Popen[str], count: int) -> list[int]:
    end = time.monotonic() + 30
    while len(found := children(process.pid)) < count and time.monotonic() < end:
        time.sleep(0.01)
    return found


def test_ctrl_c_keeps_what_was_measured_and_says_so(pair: tuple[Path, Path]) -> None:
    with start(0.05, *pair, "--iterations", 100_000, "--json") as process:
        wait_for_children(process, 2)
        time.sleep(1.0)  # some rounds of 0.1 s
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    reports = reports_of(json.loads(out))
    counts = {len(report.phases.execute.samples_ms) for report in reports}
    assert len(counts) == 1
    assert f"Interrupted: {counts.pop()} of 100000 samples" in " ".join(err.split())
    for folder, report in zip(pair, reports, strict=True):
        assert report.interrupted
        assert stored_reports(folder) == {"host-1.json": report}


def test_ctrl_c_before_the_first_round_keeps_nothing(pair: tuple[Path, Path]) -> None:
    with start(600, *pair, "--json") as process:
        wait_for_children(process, 2)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["error"]["what"] == "Interrupted."
    assert not (pair[0] / LATENCY).exists()


def test_a_kill_at_any_moment_leaves_whole_artifacts_and_no_process(
    pair: tuple[Path, Path],
) -> None:
    moments = random.Random(0)
    for _ in range(KILLS):
        with start(0.0, *pair, "--iterations", 30) as process:
            time.sleep(moments.uniform(0, 1.5))
            below = children(process.pid) if process.poll() is None else []
            process.kill()
        for folder in pair:
            assert open_artifact(folder).labels()
            assert all(not report.interrupted for report in stored_reports(folder).values())
        end = time.monotonic() + 20
        while any(Path(f"/proc/{child}").exists() for child in below):
            assert time.monotonic() < end
            time.sleep(0.01)
