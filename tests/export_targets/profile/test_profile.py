"""``profile`` with runners that are made up, what it refuses, and reports that it takes in."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from export_targets.artifact import folder as artifact
from export_targets.artifact.folder import open_artifact
from export_targets.artifact.latency_folder import LATENCY, stored_reports
from export_targets.profile import baseline
from export_targets.runner import Runner, all_runners
from export_targets.runners import host
from tests.conftest import SMALL, Built, Copied, EdgeformInProcess, Ran
from tests.export_targets.made_up import sign_again, write_made_up
from tests.export_targets.made_up_latency import made_up_report, reports_of
from tests.export_targets.runners.fake_runner import fake_runner

Install = Callable[[Runner], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a runner in the place of the host's."""
    return lambda runner: monkeypatch.setitem(all_runners(), "host", runner)


def one_line(ran: Ran) -> str:
    """What was printed, without the breaks that a table makes."""
    return " ".join(ran.out.split())


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
    install(Runner(fake.name, fake.summary, host.run, turns=fake.turns, trace=trace))
    (pair[0] / "evidence").mkdir()
    (pair[0] / artifact.OPERATORS).write_text('[{"operator": 3}]', encoding="utf-8")
    sign_again(pair[0])
    ran = edgeform("profile", pair[0], "--iterations", 3)
    assert ran.code == 2
    assert "operators.json is damaged: 0.operator" in ran.err


def test_a_runner_without_times_says_why(
    pair: tuple[Path, Path], install: Install, edgeform: EdgeformInProcess
) -> None:
    install(Runner("host", "made up", host.run, untimed="it is emulated"))
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
    for option in ("--iterations=120", "--threads=2", "--baseline=published"):
        ran = edgeform("profile", pair[0], "--import", path, option)
        assert ran.code == 2, option
        assert "measures nothing" in ran.err
    assert edgeform("profile", pair[0], "--import", tmp_path / "absent.json").code == 2
