"""``evaluate`` of images that stand at an address: on a server of this machine."""

from pathlib import Path

import pytest

from edge_models.errors import InputError
from edge_models.image_folder import path_at
from export_targets.progress import silent_reporter
from export_targets.prove.evaluate import Choice, EvaluationReport, Work, evaluate
from tests.conftest import Built
from tests.export_targets.conftest import Served

IMAGES = 70  # more than one chunk


@pytest.fixture
def address(served: Served, digit_folders: Path) -> str:
    return served(digit_folders)


def judged(folder: Path, images: Path) -> EvaluationReport:
    choice = Choice(images, limit=IMAGES)
    return evaluate(folder, choice, None, False, silent_reporter(), work=Work(1))


def test_images_of_a_server_are_judged_as_those_of_a_folder(
    built: Built, digit_folders: Path, address: str
) -> None:
    folder = built(recipe="int8").folder
    assert judged(folder, path_at(address)) == judged(folder, digit_folders)


def test_a_folder_that_a_server_has_not_is_refused(built: Built, address: str) -> None:
    with pytest.raises(InputError, match="There is no folder http://"):
        judged(built(recipe="int8").folder, path_at(f"{address}-others"))


@pytest.mark.parametrize("address", ["s3://bucket/val", "nothing://host/val"])
def test_an_address_without_its_package_is_refused(address: str) -> None:
    with pytest.raises(InputError, match=rf"The address {address} cannot be read") as raised:
        path_at(address)
    assert "edgeform[remote]" in raised.value.remedy
