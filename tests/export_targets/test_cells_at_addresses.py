"""Cells of ``matrix`` whose images stand at an address: on a server of this machine."""

import shutil
from itertools import pairwise
from pathlib import Path

import pytest

from export_targets.matrix import cell as cells
from export_targets.matrix.cell import identity_of
from export_targets.matrix.run import run_matrix
from export_targets.progress import silent_reporter
from export_targets.prove.evaluate import Choice, Work, evaluate
from tests.conftest import Built
from tests.export_targets.conftest import Served
from tests.export_targets.test_many_builds import made


@pytest.fixture
def copied_builds(built: Built, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cells' builds copy an artifact that was built before."""
    command = cells._command

    def run(arguments: list[str], threads: int) -> cells._Ran:
        if arguments[0] != "build":
            return command(arguments, threads)
        given = dict(pairwise(arguments))
        result = built(given["build"], given["--target"], given["--recipe"])
        shutil.copytree(result.folder, given["--out"])
        document = {**result.document(), "artifact": given["--out"]}
        return cells._Ran(code=0, document=document, errors=[])

    monkeypatch.setattr(cells, "_command", run)


@pytest.mark.usefixtures("copied_builds", "runner_here")
def test_a_cell_is_evaluated_on_images_at_an_address(
    digit_folders: Path, served: Served, tmp_path: Path
) -> None:
    cell = made("one", recipe="int8", images=served(digit_folders), limit=70)
    (row,) = run_matrix([cell], tmp_path, silent_reporter())
    assert row.problems == ()
    choice, alone = Choice(digit_folders, limit=70), Work(workers=1)
    report = evaluate(Path(row.artifact), choice, None, False, silent_reporter(), work=alone)
    file = report.programs[-1]
    assert (row.images, row.top1, row.agreement) == (70, file.top1, file.agreement)


@pytest.mark.usefixtures("copied_builds")
def test_a_server_without_the_folder_fails_its_cell_alone(
    digit_folders: Path, served: Served, tmp_path: Path
) -> None:
    cell = made("one", images=f"{served(digit_folders)}-others")
    (row,) = run_matrix([cell], tmp_path, silent_reporter())
    assert (row.passed, row.delegates) == (False, 1)
    assert "There is no folder http://" in row.problems[0]


def test_another_image_at_an_address_is_another_identity(served: Served, tmp_path: Path) -> None:
    (tmp_path / "digits" / "0").mkdir(parents=True)
    (tmp_path / "digits" / "0" / "one.png").touch()
    cell = made("one", images=served(tmp_path / "digits"))
    before = identity_of(cell)
    assert identity_of(cell) == before
    (tmp_path / "digits" / "0" / "two.png").touch()
    assert identity_of(cell) != before
