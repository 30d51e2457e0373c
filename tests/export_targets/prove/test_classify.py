"""``classify``: the most probable classes of image files, by the saved file."""

import math
from pathlib import Path

import pytest
import torch

from export_targets.artifact.folder import LABELS
from export_targets.prove.classify import ranked
from tests.conftest import Built, Copied, EdgeformInProcess
from tests.export_targets.made_up import sign_again

pytestmark = pytest.mark.usefixtures("runner_here")


@pytest.fixture
def images(digit_folders: Path) -> list[Path]:
    """One image of each of the digits 3, 7 and 0."""
    return [min((digit_folders / digit).iterdir()) for digit in "370"]


@pytest.mark.parametrize("options", [{}, {"batch": 2}, {"target": "coreml"}], ids=str)
def test_the_classes_of_images(
    options: dict[str, object], built: Built, images: list[Path], edgeform: EdgeformInProcess
) -> None:
    folder = built(**options).folder
    ran = edgeform("classify", folder, *images, "--json")
    assert ran.code == 0
    assert [row["image"] for row in ran.document] == [str(path) for path in images]
    assert [row["classes"][0]["label"] for row in ran.document] == ["3", "7", "0"]
    for row in ran.document:
        found = [ranked["probability"] for ranked in row["classes"]]
        assert len(found) == 5
        assert found == sorted(found, reverse=True)
        assert sum(found) <= 1.0001


def test_a_line_for_each_image(
    built: Built, images: list[Path], edgeform: EdgeformInProcess
) -> None:
    ran = edgeform("classify", built().folder, *images)
    lines = ran.out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"{images[0]}: 3 ")
    assert lines[0].count("%") == 5


def test_without_labels_a_class_is_its_index(
    built: Built, copied: Copied, images: list[Path], edgeform: EdgeformInProcess
) -> None:
    folder = copied(built().folder)
    (folder / LABELS).unlink()
    sign_again(folder)
    ran = edgeform("classify", folder, images[1])
    assert ran.code == 0
    assert ": class 7 " in ran.out


def test_a_file_that_is_no_image_is_named(
    built: Built, images: list[Path], tmp_path: Path, edgeform: EdgeformInProcess
) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no image")
    for wrong in (tmp_path / "broken.jpg", tmp_path / "absent.jpg", tmp_path):
        ran = edgeform("classify", built().folder, images[0], wrong)
        assert ran.code == 2
        assert f"The image {wrong} cannot be read" in ran.err


def test_probabilities_are_of_all_classes() -> None:
    logits = torch.tensor([0.0, math.log(6), math.log(3)])
    classes = ranked(logits, ["a", "b", "c"])
    assert [row.label for row in classes] == ["b", "c", "a"]
    assert [row.probability for row in classes] == pytest.approx([0.6, 0.3, 0.1])
