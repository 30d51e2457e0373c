"""``matrix``: a plan's cells, what is not built again, and cells that fail beside the rest."""

import json
import random
import signal
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from edge_models.catalog import model_specs
from edge_models.errors import InputError
from export_targets.matrix import cell as cells
from export_targets.matrix import run as running
from export_targets.matrix.cell import Cell, Row, identity_of, run_cell
from export_targets.matrix.plan import cells_of, read_plan
from export_targets.matrix.run import Memory, run_matrix
from export_targets.progress import silent_reporter
from export_targets.target import all_targets, recipes_of, target_named
from tests.conftest import EdgeformInProcess
from tests.export_targets.made_up import write_made_up
from tests.kills import MOMENTS, results_with_kills

SMALL = "digits_cotnet_simple"
PLAN = f"""
targets = ["xnnpack", "vulkan"]
recipes = ["fp32", "fp16", "int8"]

[[models]]
name = "{SMALL}"
images = "digits"
limit = 40

[[models]]
name = "cotnet50"
called = "june"
checkpoint = "june.pth"
calibration = "synthetic"
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    path = tmp_path / "plan.toml"
    path.write_text(PLAN, encoding="utf-8")
    return path


def test_a_plan_gives_a_cell_for_whatever_its_targets_can_do(plan: Path) -> None:
    found = {cell.name: cell for cell in cells_of(read_plan(plan), plan.parent)}
    assert set(found) == {
        f"{model}-{pair}"
        for model in (SMALL, "june")
        for pair in ("xnnpack-fp32", "xnnpack-int8", "vulkan-fp32", "vulkan-fp16", "vulkan-int8")
    } - {f"{model}-vulkan-fp32" for model in (SMALL, "june") if "vulkan-fp32" not in _vulkan()}
    june = found["june-xnnpack-int8"]
    assert june.options == {
        "checkpoint": str(plan.parent / "june.pth"),
        "calibration": "synthetic",
    }
    assert (june.gigabytes, found[f"{SMALL}-xnnpack-int8"].gigabytes) == (6.0, 2.0)
    assert found[f"{SMALL}-xnnpack-int8"].images == str(plan.parent / "digits")


def test_an_agreement_is_a_cell_of_each_int8_recipe(plan: Path) -> None:
    head = 'agreements = [0.98, 0.995]\nagree_on = "photographs"\n'
    plan.write_text(head + PLAN, encoding="utf-8")
    found = {cell.name: cell for cell in cells_of(read_plan(plan), plan.parent)}
    searched = {name for name in found if name.endswith(("-0.98", "-0.995"))}
    assert searched == {
        f"{model}-{target}-int8-{agreement}"
        for model in (SMALL, "june")
        for target in ("xnnpack", "vulkan")
        for agreement in ("0.98", "0.995")
    }
    options = found["june-vulkan-int8-0.995"].options
    assert options["agreement"] == "0.995"
    assert options["images"] == str(plan.parent / "photographs")
    plan.write_text(f"top1_drops = [0.01]\n{head}{PLAN}", encoding="utf-8")
    found = {cell.name: cell for cell in cells_of(read_plan(plan), plan.parent)}
    options = found["june-vulkan-int8-drop0.01"].options
    assert (options["top1-drop"], "agreement" in options) == ("0.01", False)
    assert f"{SMALL}-vulkan-fp16-drop0.01" not in found


def _vulkan() -> set[str]:
    return {f"vulkan-{recipe}" for recipe in recipes_of(target_named("vulkan"))}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("recipes =", "recipe ="), "recipe"),
        (('"xnnpack"', '"snapdragon"'), "snapdragon"),
        (('"int8"]', '"int7"]'), "int7"),
        (('name = "cotnet50"', 'name = "resnet"'), "resnet"),
        (('called = "june"\n', ""), None),
        (("limit = 40", 'limit = "all"'), "limit"),
        (("[[models]]", "[[models"), "cannot be read"),
        (('called = "june"', f'called = "{SMALL}"'), "Two cells"),
    ],
)
def test_a_wrong_plan_is_refused(change: tuple[str, str], said: str | None, plan: Path) -> None:
    plan.write_text(PLAN.replace(*change), encoding="utf-8")
    if said is None:
        assert cells_of(read_plan(plan), plan.parent)
        return
    with pytest.raises(InputError, match=said):
        cells_of(read_plan(plan), plan.parent)


def test_a_plan_takes_images_at_an_address(plan: Path) -> None:
    address = "http://127.0.0.1:1/digits"
    plan.write_text(PLAN.replace('"digits"', f'"{address}"'), encoding="utf-8")
    found = cells_of(read_plan(plan), plan.parent)
    assert {cell.images for cell in found if cell.model == SMALL} == {address}


def test_an_address_without_its_package_is_refused_before_a_build(plan: Path) -> None:
    plan.write_text(PLAN.replace('"digits"', '"s3://bucket/val"'), encoding="utf-8")
    with pytest.raises(InputError, match="The address s3://bucket/val cannot be read"):
        cells_of(read_plan(plan), plan.parent)


def made(name: str, **given: Any) -> Cell:
    return Cell(
        **{"name": name, "model": SMALL, "target": "xnnpack", "recipe": "fp32"} | given,
        options={},
        gigabytes=2.0,
    )


def test_a_cell_is_built_evaluated_and_not_built_again(
    digit_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = made("one", images=str(digit_folders), limit=20)
    bad = made("two", recipe="fp16")
    first, second = run_matrix([cell, bad], tmp_path, silent_reporter(), workers=2)
    assert (first.passed, first.images, first.delegates) == (True, 20, 1)
    assert first.agreement == 1.0
    assert (second.passed, "cannot do the recipe fp16" in second.problems[0]) == (False, True)

    def run(*_: object) -> None:
        raise AssertionError("it was built again")

    monkeypatch.setattr(cells, "_command", run)
    assert run_cell(cell, tmp_path, 1) == first
    with pytest.raises(AssertionError):
        run_cell(bad, tmp_path, 1)
    with pytest.raises(AssertionError):
        run_cell(made("one", images=str(digit_folders), limit=21), tmp_path, 1)


def test_a_cell_whose_gates_failed_is_not_built_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell, ran = made("one"), list[str]()
    red = write_made_up(tmp_path / "one.failed")
    known = cell.model_dump(include={"name", "model", "target", "recipe"})
    row = Row(
        **known, identity=identity_of(cell), artifact=str(red), passed=False, problems=("3 dB",)
    )

    def run(arguments: list[str], threads: int) -> cells._Ran:
        ran.append(arguments[0])
        return cells._Ran(code=1, document={}, errors=["it does not run"])

    monkeypatch.setattr(cells, "_command", run)
    (tmp_path / "one.row.json").write_text(row.model_dump_json())
    assert run_cell(cell, tmp_path, 1) == row
    assert ran == []
    (red / "manifest.json").unlink()
    assert run_cell(cell, tmp_path, 1).problems == ("it ended with 1: it does not run",)
    assert ran == ["build"]


def test_a_flag_is_given_without_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = list[list[str]]()

    def run(arguments: list[str], threads: int) -> cells._Ran:
        given.append(arguments)
        return cells._Ran(code=2, document={}, errors=[])

    monkeypatch.setattr(cells, "_command", run)
    cell = made("one").model_copy(update={"options": {"strict": "", "size": "64"}})
    run_cell(cell, tmp_path, 1)
    assert given[0][6:9] == ["--strict", "--size", "64"]


def test_another_network_of_ones_own_is_another_identity(tmp_path: Path) -> None:
    path = tmp_path / "my_net.py"
    path.write_text("one")
    cell = made("one", model=f"{path}:make_net")
    before = identity_of(cell)
    path.write_text("two")
    assert identity_of(cell) != before


def test_another_file_is_another_identity(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"one")
    cell = made("one").model_copy(update={"options": {"checkpoint": str(path)}})
    before = identity_of(cell)
    assert identity_of(cell) == before
    path.write_bytes(b"two")
    assert identity_of(cell) != before


def test_a_killed_command_is_run_once_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = [-signal.SIGKILL, 0]

    def run(arguments: list[str], **given: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(arguments, codes.pop(0), "{}", "")

    monkeypatch.setattr(subprocess, "run", run)
    assert cells._command(["doctor"], 1).code == 0
    codes += [-signal.SIGKILL, -signal.SIGKILL, 0]
    ran = cells._command(["doctor"], 1)
    assert (ran.code, "it ended with -9" in ran.problem) == (-signal.SIGKILL, True)
    codes[:] = [-signal.SIGINT, 0]
    assert cells._command(["doctor"], 1).code == -signal.SIGINT


@pytest.mark.full
def test_a_cell_killed_at_any_of_ten_random_moments_changes_no_row(
    digit_folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[str]] = []

    class Watched(subprocess.Popen[str]):
        def __init__(self, *given: Any, **options: Any) -> None:
            super().__init__(*given, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Watched)
    asked = [made("one", images=str(digit_folders), limit=20)]
    outs = iter(range(100))

    def work() -> list[dict[str, Any]]:
        rows = run_matrix(asked, tmp_path / str(next(outs)), silent_reporter())
        return [row.model_dump(exclude={"artifact"}) for row in rows]

    def kill(chance: random.Random) -> bool:
        alive = [process for process in started if process.poll() is None]
        if alive:
            chance.choice(alive).kill()
        return bool(alive)

    found = results_with_kills(work, kill)
    expected = work()
    assert all(row["passed"] and row["images"] == 20 for row in expected)
    assert found == [expected] * MOMENTS


def test_memory_bounds_what_runs_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    running_now, most, lock = set[str](), [0], threading.Lock()

    def run(cell: Cell, out: Path, threads: int) -> Row:
        with lock:
            running_now.add(cell.name)
            most[0] = max(most[0], len(running_now))
        threading.Event().wait(0.05)
        with lock:
            running_now.discard(cell.name)
        known = cell.model_dump(include={"name", "model", "target", "recipe"})
        return Row(**known, identity="", artifact="", passed=True, problems=())

    monkeypatch.setattr(running, "run_cell", run)
    asked = [made(str(index)) for index in range(8)]
    for gigabytes, expected in ((1.0, 1), (4.5, 2)):
        most[0] = 0
        rows = run_matrix(asked, tmp_path, silent_reporter(), workers=4, gigabytes=gigabytes)
        assert [row.name for row in rows] == [cell.name for cell in asked]
        assert most[0] == expected


def test_memory_comes_back_after_a_failure() -> None:
    memory = Memory(3.0)
    with pytest.raises(KeyError), memory.taken(2.0):
        raise KeyError
    with memory.taken(9.0):
        assert memory.free == 0.0


@pytest.fixture
def nothing_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell has a row at once; those in INT8 failed."""

    def run(cell: Cell, out: Path, threads: int) -> Row:
        known = cell.model_dump(include={"name", "model", "target", "recipe"})
        problems = ("hop chain: 3 dB",) if cell.recipe == "int8" else ()
        return Row(**known, identity="", artifact="a", passed=not problems, problems=problems)

    monkeypatch.setattr(running, "run_cell", run)


@pytest.mark.usefixtures("nothing_is_built")
def test_the_command_prints_its_rows(
    plan: Path, tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("matrix", plan, "--out", tmp_path / "out", "--json")
    assert ran.code == 1
    assert len(json.loads(ran.out)) == len(cells_of(read_plan(plan), plan.parent))
    assert f"{SMALL}-xnnpack-int8: hop chain: 3 dB" in ran.err


@pytest.mark.usefixtures("nothing_is_built")
def test_the_demo_is_a_matrix_of_the_embedded_models(
    tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("demo", "--out", tmp_path / "out", "--json")
    assert ran.code == 1
    embedded = {spec.name for spec in model_specs().values() if spec.embedded}
    found = {(row["model"], row["target"], row["recipe"]) for row in json.loads(ran.out)}
    for target in all_targets().values():
        recipes = {target.default_recipe, "int8"}
        cells = {(model, target.name, recipe) for model in embedded for recipe in recipes}
        assert {cell for cell in found if cell[1] == target.name} == cells
