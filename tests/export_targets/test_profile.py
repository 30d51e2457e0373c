"""``profile``: reports of a real runtime and of made-up ones, and what an end in between leaves."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export_targets import artifact, baseline, profile
from export_targets.artifact import open_artifact
from export_targets.latency import OUTSIDE, LatencyReport
from export_targets.latency_folder import LATENCY, stored_reports
from export_targets.runner import Runner, all_runners
from export_targets.runners import host
from tests.conftest import SMALL, Built, Copied, EdgeformInProcess, Ran
from tests.export_targets.fake_runner import fake_runner
from tests.export_targets.made_up import sign_again, write_made_up
from tests.export_targets.made_up_latency import made_up_report

# profiles with a runner that is made up and takes some seconds a turn
PROFILING = """
import sys
from pathlib import Path
from export_targets import cli
from export_targets.runner import all_runners
from tests.export_targets.fake_runner import fake_runner

seconds, names = float(sys.argv.pop(1)), ("one", "two")
all_runners()["host"] = fake_runner(dict.fromkeys(names, 4.0), seconds)
print("waiting", file=sys.stderr, flush=True)
cli.main()
"""
KILLS = 6

Install = Callable[[Runner], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a runner in the place of the host's."""
    return lambda runner: monkeypatch.setitem(all_runners(), "host", runner)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two artifacts in form."""
    return write_made_up(tmp_path / "one"), write_made_up(tmp_path / "two", name="other")


def one_line(ran: Ran) -> str:
    """What was printed, without the breaks that a table makes."""
    return " ".join(ran.out.split())


@pytest.fixture(scope="module")
def measured(
    built: Built, published: Ran, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[Path], Any]:
    """The small model in edge form and as published, measured on the host; folders and document."""
    folders = [built().folder, Path(published.document["artifact"])]
    copies = [
        Path(shutil.copytree(folder, tmp_path_factory.mktemp("measured") / str(index)))
        for index, folder in enumerate(folders)
    ]
    command = [sys.executable, "-m", "export_targets", "profile", *map(str, copies)]
    options = ["--iterations", "31", "--threads", "1", "--json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    return copies, json.loads(done.stdout)


def reports_of(document: Any) -> list[LatencyReport]:
    return [LatencyReport.model_validate(content) for content in document["latency"]]


def test_a_report_of_each_artifact_is_printed_and_kept(measured: tuple[list[Path], Any]) -> None:
    folders, document = measured
    reports = reports_of(document)
    for folder, report in zip(folders, reports, strict=True):
        assert stored_reports(folder) == {"host-1.json": report}
        manifest = open_artifact(folder).manifest
        assert report.artifact == manifest.name
        assert [report.model_sha256] == [
            entry.sha256 for entry in manifest.files if entry.path == "model.pte"
        ]
        assert (report.iterations, report.warmup, report.interrupted) == (31, 10, False)
        assert report.runtime.model_dump() == {
            "backend": "xnnpack",
            "version": manifest.toolchain["executorch"],
            "threads": 1,
        }
        assert (report.image.width, report.image.height) == (64, 64)


def test_the_edge_form_is_faster_than_the_published_one(measured: tuple[list[Path], Any]) -> None:
    _, document = measured
    (ratio,) = document["ratios"]
    edge, published = reports_of(document)
    assert (ratio["artifact"], ratio["baseline"]) == (edge.artifact, published.artifact)
    assert ratio["rounds"] == 10  # of three samples; the 31st fills none
    assert 1 < ratio["low"] <= ratio["value"] <= ratio["high"]
    assert edge.ratios[0].model_dump() == ratio
    assert published.ratios[0].value == pytest.approx(1 / ratio["value"])


def test_operators_carry_the_models_modules(measured: tuple[list[Path], Any]) -> None:
    folders, document = measured
    for folder, report in zip(folders, reports_of(document), strict=True):
        assert report.operators is not None
        *rows, outside = report.operators.rows
        assert outside.operator == OUTSIDE
        listed = profile.delegated_operators(open_artifact(folder))
        products = [row for row in listed if row.macs]
        macs = sum(row.macs for row in products)
        assert macs >= 0.9 * open_artifact(folder).manifest.model.macs
        assert sum(row.macs or 0 for row in rows) == macs
        wanted = [row.module for row in products]
        assert [row.module for row in rows if row.macs] == wanted
        undelegated = open_artifact(folder).manifest.delegation.fallen
        outer = [row.module for row in rows if not row.delegated]
        assert outer == [item.module for item in undelegated]
    assert report.operators.delegated_share < 1  # of the published form
    assert outer


def test_times_are_in_milliseconds_and_in_proportion(measured: tuple[list[Path], Any]) -> None:
    for report in reports_of(measured[1]):
        assert report.operators is not None
        # the trace itself takes some time; the network runs a tenth of a millisecond
        assert 0.3 < report.operators.whole_ms / report.phases.execute.p50_ms < 3


def test_loading_the_model_is_timed_without_what_python_imports(
    measured: tuple[list[Path], Any],
) -> None:
    for report in reports_of(measured[1]):
        assert report.load_ms < 500  # a file of 1 MB takes some milliseconds, the imports 3 s


def test_ratios_hold_for_every_pair(
    pair: tuple[Path, Path], tmp_path: Path, install: Install, edgeform: EdgeformInProcess
) -> None:
    install(fake_runner({"one": 2.0, "two": 9.0, "three": 3.0}))
    folders = (*pair, write_made_up(tmp_path / "three", name="third"))
    ran = edgeform("profile", *folders, "--iterations", 12, "--json")
    assert ran.code == 0, ran.err
    names = [open_artifact(folder).manifest.name for folder in folders]
    found = {(r["artifact"], r["baseline"]): r["value"] for r in ran.document["ratios"]}
    assert found == {
        (names[0], names[1]): pytest.approx(4.5),
        (names[0], names[2]): pytest.approx(1.5),
        (names[1], names[2]): pytest.approx(1 / 3),
    }
    (third,) = stored_reports(folders[2]).values()
    assert [ratio.baseline for ratio in third.ratios] == names[:2]


@pytest.mark.parametrize("iterations", [1, 2, 3, 7])
def test_as_many_samples_are_kept_as_were_asked_for(
    iterations: int, pair: tuple[Path, Path], install: Install, edgeform: EdgeformInProcess
) -> None:
    install(fake_runner({"one": 2.0, "two": 4.0}))
    ran = edgeform("profile", *pair, "--iterations", iterations, "--json")
    assert ran.code == 0, ran.err
    for report in reports_of(ran.document):
        assert len(report.phases.total.samples_ms) == iterations
        assert report.peak_memory_bytes == 1000
    assert ran.document["ratios"][0]["value"] == pytest.approx(2, rel=0.05)


def test_the_table_says_what_was_measured_on_what(
    pair: tuple[Path, Path], install: Install, edgeform: EdgeformInProcess
) -> None:
    install(fake_runner({"one": 2.0, "two": 4.0}))
    text = one_line(edgeform("profile", *pair, "--iterations", 3))
    for piece in ("2.020", "4.040", "first inference 2.50 ms", "Abacus, 1 cores (neon), None 1"):
        assert piece in text
    assert "2.00 │" in text


@pytest.mark.parametrize("what", ["nan", "-1", "1e999"])
def test_a_runner_that_measures_nonsense_fails_and_nothing_is_kept(
    what: str, pair: tuple[Path, Path], install: Install, edgeform: EdgeformInProcess
) -> None:
    install(fake_runner({"one": 2.0}, what=what))
    ran = edgeform("profile", pair[0], "--iterations", 3)
    assert ran.code == 1
    assert "measured nonsense" in ran.err
    assert not (pair[0] / LATENCY).exists()


def test_a_file_that_does_not_run_fails_and_nothing_is_kept(
    built: Built, copied: Copied, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    content = (folder / "model.pte").read_bytes()
    (folder / "model.pte").write_bytes(content[: len(content) // 2])
    sign_again(folder)
    ran = edgeform("profile", folder)
    assert ran.code == 1
    assert "does not run" in ran.err
    assert not (folder / LATENCY).exists()


def test_a_damaged_list_of_operators_is_refused(
    pair: tuple[Path, Path], install: Install, edgeform: EdgeformInProcess
) -> None:
    def trace(*_: object) -> list[Any]:
        return []

    fake = fake_runner({"one": 2.0})
    install(Runner(fake.name, fake.summary, fake.targets, host.run, turns=fake.turns, trace=trace))
    (pair[0] / "evidence").mkdir()
    (pair[0] / artifact.OPERATORS).write_text('[{"operator": 3}]', encoding="utf-8")
    sign_again(pair[0])
    ran = edgeform("profile", pair[0], "--iterations", 3)
    assert ran.code == 2
    assert "operators.json is damaged: 0.operator" in ran.err


def test_a_runner_without_times_says_why(
    pair: tuple[Path, Path], install: Install, edgeform: EdgeformInProcess
) -> None:
    install(Runner("host", "made up", ("xnnpack",), host.run, untimed="it is emulated"))
    ran = edgeform("profile", pair[0])
    assert ran.code == 2
    assert "The runner host gives no times: it is emulated." in ran.err
    assert "--import" in ran.err


def test_an_artifact_named_twice_and_a_wrong_baseline_are_refused(
    pair: tuple[Path, Path], edgeform: EdgeformInProcess
) -> None:
    twice = edgeform("profile", pair[0], pair[0] / ".." / "one")
    assert (twice.code, "named twice" in twice.err) == (2, True)
    wrong = edgeform("profile", pair[0], "--baseline", "torch")
    assert (wrong.code, "published" in wrong.err) == (2, True)


def test_the_baseline_is_built_once_and_measured_beside(
    built: Built, copied: Copied, install: Install, edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    beside = folder.with_name(f"{folder.name}-published")
    install(fake_runner({folder.name: 2.0, beside.name: 5.0}))
    ran = edgeform("profile", folder, "--baseline", "published", "--iterations", 3, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["ratios"][0]["value"] == 2.5
    manifest = open_artifact(beside).manifest
    assert (manifest.form, manifest.model.name) == ("published", SMALL)
    assert stored_reports(beside)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baseline, "build", None)  # a second build would fail
        again = edgeform("profile", folder, "--baseline", "published", "--iterations", 3)
        assert again.code == 0, again.err
    assert edgeform("profile", beside, "--baseline", "published").code == 2
    shutil.rmtree(beside)
    write_made_up(beside, name="something else")
    other = edgeform("profile", folder, "--baseline", "published")
    assert (other.code, "holds another artifact" in other.err) == (2, True)


def test_a_phones_report_is_added(
    pair: tuple[Path, Path], tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    manifest = open_artifact(pair[0]).manifest
    digest = next(entry.sha256 for entry in manifest.files if entry.path == "model.pte")
    report = made_up_report(artifact=manifest.name, model_sha256=digest)
    path = tmp_path / "phone.json"
    path.write_text(report.model_dump_json(), encoding="utf-8")
    ran = edgeform("profile", pair[0], "--import", path, "--json")
    assert ran.code == 0, ran.err
    assert reports_of(ran.document) == [report]
    assert stored_reports(pair[0]) == {"adb-1A2B-1.json": report}
    assert edgeform("profile", pair[1], "--import", path).code == 2
    assert edgeform("profile", *pair, "--import", path).code == 2
    assert edgeform("profile", pair[0], "--import", tmp_path / "absent.json").code == 2


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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
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


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_ctrl_c_before_the_first_round_keeps_nothing(pair: tuple[Path, Path]) -> None:
    with start(600, *pair, "--json") as process:
        wait_for_children(process, 2)
        time.sleep(0.5)
        os.killpg(process.pid, signal.SIGINT)
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert json.loads(out)["error"]["what"] == "Interrupted."
    assert not (pair[0] / LATENCY).exists()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
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


@pytest.mark.skipif(sys.platform != "linux", reason="macOS counts only the process itself")
def test_peak_memory_is_the_processs_own() -> None:
    ballast = b"x" * 2**30  # of the parent
    code = "from export_targets.host_times import peak_memory_bytes; print(peak_memory_bytes())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 2**26 < int(done.stdout) < len(ballast)
