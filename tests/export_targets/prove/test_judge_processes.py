"""``evaluate`` in several processes: the same result, whoever dies on the way."""

import os
import random
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edge_models.errors import InputError, RunnerError
from export_targets.progress import silent_reporter
from export_targets.prove import evaluate as evaluating
from export_targets.prove.evaluate import Choice, EvaluationReport, Work, evaluate
from export_targets.prove.judge_processes import Process
from export_targets.prove.labelled import Classes, LabelledImages, labelled_images
from tests.conftest import Built
from tests.kills import MOMENTS, results_with_kills

IMAGES = 60


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "CHUNK", 5)


def judged(
    folder: Path, images: Path, workers: int, limit: int | None = IMAGES
) -> EvaluationReport:
    choice = Choice(images, limit=limit)
    return evaluate(folder, choice, None, False, silent_reporter(), work=Work(workers))


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Process]:
    """Every process that was started to judge."""
    processes: list[Process] = []
    start = Process.__init__

    def init(self: Process, *given: object) -> None:
        start(self, *given)  # type: ignore[arg-type]
        processes.append(self)

    monkeypatch.setattr(Process, "__init__", init)
    return processes


@pytest.fixture(scope="module")
def of_one(built: Built, digit_folders: Path) -> EvaluationReport:
    """What one process gives."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluating, "CHUNK", 5)
        return judged(built(recipe="int8").folder, digit_folders, 1)


def test_two_processes_give_what_one_gives(
    of_one: EvaluationReport, built: Built, digit_folders: Path, started: list[Process]
) -> None:
    assert judged(built(recipe="int8").folder, digit_folders, 2) == of_one
    assert len(started) == 2
    assert all(process.child.poll() is not None for process in started)


def test_processes_killed_at_random_moments_change_nothing(
    of_one: EvaluationReport, built: Built, digit_folders: Path, started: list[Process]
) -> None:
    chance, done = random.Random(0), threading.Event()
    killed: list[Process] = []

    def kill() -> None:
        while not done.wait(chance.uniform(0.1, 1.0)) and len(killed) < 3:
            if alive := [p for p in started if p.child.poll() is None and p not in killed]:
                os.kill(alive[0].child.pid, signal.SIGKILL)
                killed.append(alive[0])
                done.wait(8)  # two in a row on one chunk are a reason to give up

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        found = judged(built(recipe="int8").folder, digit_folders, 2)
    finally:
        done.set()
        thread.join()
    assert killed
    assert len(started) == 2 + len(killed)
    assert found == of_one


@pytest.mark.full
def test_a_process_killed_at_any_of_ten_random_moments_changes_nothing(
    built: Built, digit_folders: Path, started: list[Process]
) -> None:
    folder = built(recipe="int8").folder
    rounds: list[int] = []

    def work() -> EvaluationReport:
        before = len(started)
        report = judged(folder, digit_folders, 2, limit=None)
        rounds.append(len(started) - before)
        return report

    def kill(chance: random.Random) -> bool:
        alive = [process for process in started if process.child.poll() is None]
        if alive:
            chance.choice(alive).child.kill()
        return bool(alive)

    found = results_with_kills(work, kill)
    assert found == [judged(folder, digit_folders, 1, limit=None)] * MOMENTS
    assert rounds[0] == 2
    # one that has no chunk left is not replaced
    assert rounds.count(3) >= MOMENTS / 2


@pytest.fixture
def poisoned(digit_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An image that ends the process that reads it."""
    path = tmp_path / "sitecustomize.py"
    path.write_text(
        "import os\n"
        "from edge_models import image_reading\n"
        "decode = image_reading.decode\n"
        "def poisoned(path):\n"
        "    if path.name == os.environ['POISONED']:\n"
        "        os._exit(11)\n"
        "    return decode(path)\n"
        "image_reading.decode = poisoned\n",
        encoding="utf-8",
    )
    name = sorted((digit_folders / "0").iterdir())[0].name
    monkeypatch.setenv("POISONED", name)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.getcwd()]))  # noqa: PTH109
    return name


def test_a_chunk_that_ends_two_processes_is_named(
    built: Built, digit_folders: Path, poisoned: str, started: list[Process]
) -> None:
    with pytest.raises(RunnerError, match=f"{poisoned} .* ended two processes .* ended with 11"):
        judged(built(recipe="int8").folder, digit_folders, 2)
    assert all(process.child.poll() is not None for process in started)


def test_what_a_process_refuses_is_refused(
    built: Built, digit_folders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "labelled_images", with_a_text_file())
    choice = Choice(digit_folders, strict=True)
    with pytest.raises(InputError, match=r"pyproject\.toml"):
        evaluate(built().folder, choice, None, False, silent_reporter(), work=Work(2))


def with_a_text_file() -> Callable[[Path, Classes], LabelledImages]:
    def listed(folder: Path, classes: Classes) -> LabelledImages:
        found = labelled_images(folder, classes)
        return replace(found, pairs=((Path("pyproject.toml").resolve(), 0), *found.pairs[:9]))

    return listed
