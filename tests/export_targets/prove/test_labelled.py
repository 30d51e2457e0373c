"""Which class of a model each folder of labelled images is, or why that is not certain."""

import shutil
import unicodedata
from pathlib import Path

import pytest
from PIL import Image

from edge_models.errors import InputError
from export_targets.prove.labelled import (
    Classes,
    class_mapping,
    described,
    labelled_images,
    natural_key,
)

COMPOSED = "cafés"
DECOMPOSED = unicodedata.normalize("NFD", COMPOSED)
NUMBERS = [str(number) for number in range(1, 13)]
FOLDER = Path("photographs")


def mapped(names: list[str], count: int = 0, **known: object) -> dict[str, int]:
    classes = Classes(count or len(names), **{"labels": (), **known})  # type: ignore[arg-type]
    return class_mapping(FOLDER, names, classes).folders


def refusal(names: list[str], count: int = 0, **known: object) -> InputError:
    with pytest.raises(InputError) as error:
        mapped(names, count, **known)
    return error.value


def test_labels_say_which_class_a_folder_is() -> None:
    labels = ["kite", "crane", "heron"]
    assert mapped(["crane", "kite"], 3, labels=labels) == {"crane": 1, "kite": 0}


def test_the_same_name_in_another_unicode_form_or_with_spaces_is_the_same() -> None:
    assert DECOMPOSED != COMPOSED
    labels = ["kite", COMPOSED, " heron "]
    names = [DECOMPOSED, "heron", "kite "]
    assert mapped(names, labels=labels) == {DECOMPOSED: 1, "heron": 2, "kite ": 0}


def test_with_labels_a_folder_that_is_none_is_refused_though_the_others_fit() -> None:
    error = refusal(["Crane", "heron", "kite"], labels=["crane", "heron", "kite"])
    assert "'Crane'" in error.what
    assert "--labels" in error.remedy
    assert "<TAB>" in error.remedy


def test_a_folder_that_could_be_two_classes_is_refused() -> None:
    error = refusal(["crane"], 3, labels=["crane", "kite", "crane"])
    assert "lines 1 and 3" in error.what


def test_two_folders_of_one_name_are_refused() -> None:
    assert "one name" in refusal([COMPOSED, DECOMPOSED], labels=[COMPOSED]).what


def test_numbers_without_labels_have_no_certain_order() -> None:
    error = refusal(sorted(NUMBERS))
    assert "'10'" in error.what
    assert "--class-order natural" in error.remedy
    natural = mapped(sorted(NUMBERS), order="natural")
    assert [natural[name] for name in NUMBERS] == [*range(12)]
    plain = mapped(sorted(NUMBERS), order="sorted")
    assert (plain["1"], plain["10"], plain["2"]) == (0, 1, 4)


def test_an_order_that_is_certain_needs_no_word() -> None:
    assert mapped(["apple", "pear"]) == {"apple": 0, "pear": 1}
    assert mapped(["01", "02", "10"]) == {"01": 0, "02": 1, "10": 2}
    assert "'Zebra'" in refusal(["Zebra", "apple"]).what  # capitals come first as text


def test_an_order_that_is_asked_for_goes_before_the_artifacts_labels() -> None:
    names = ["n01440764", "n01443537"]
    assert "none of the artifact's labels" in refusal(names, labels=["tench", "goldfish"]).what
    assert list(mapped(names, labels=["tench", "goldfish"], order="sorted").values()) == [0, 1]


def test_some_classes_without_labels_are_refused() -> None:
    assert "has 2 class folders, but the model 3 classes" in refusal(["a", "b"], 3).what


def written(folder: Path, *lines: str) -> Path:
    path = folder / "labels.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_file_names_the_folder_of_each_class(tmp_path: Path) -> None:
    file = written(tmp_path, "n01440764\ttench", "n01443537\tgoldfish", "n02\tcrane", "n03\tcrane")
    labels = ["tench", "goldfish", "crane", "crane"]  # ImageNet has two cranes
    names = ["n01443537", "n03"]
    assert mapped(names, 4, labels=labels, file=file) == {"n01443537": 1, "n03": 3}


def test_a_file_of_labels_alone_is_taken_too(tmp_path: Path) -> None:
    file = written(tmp_path, "kite", "crane")
    assert mapped(["crane"], 2, file=file) == {"crane": 1}


def test_a_file_in_another_order_than_the_artifacts_is_refused(tmp_path: Path) -> None:
    file = written(tmp_path, "n01443537\tgoldfish", "n01440764\ttench")
    error = refusal(["n01443537"], 2, labels=["tench", "goldfish"], file=file)
    assert "Line 1" in error.what
    assert "'tench'" in error.what


def test_a_file_of_another_length_is_refused(tmp_path: Path) -> None:
    assert (
        "2 lines, but the model has 3" in refusal(["a"], 3, file=written(tmp_path, "a", "b")).what
    )


def test_natural_order_is_by_numbers_and_without_case() -> None:
    names = ["b2", "B10", "a10b1", "a9", "a", "10", "9"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a9", "a10b1", "b2", "B10"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("kite/1.png", "kite/deep/2.png", "crane/3.png", "heron/4.HEIC"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name, "PNG")
    return tmp_path


def test_hidden_folders_are_no_classes(folder: Path) -> None:
    (folder / ".ipynb_checkpoints").mkdir()
    shutil.copytree(folder / "kite", folder / "__MACOSX")
    (folder / "notes.txt").touch()
    found = labelled_images(folder, Classes(3, ["crane", "heron", "kite"]))
    assert [(path.name, index) for path, index in found.pairs] == [
        ("3.png", 0),
        ("1.png", 2),
        ("2.png", 2),
    ]
    assert found.empty == ("heron",)
    assert found.listed.hidden == 2
    assert found.listed.others == {".HEIC": 1}
    notes = " ".join(found.notes)
    assert "classes without an image: heron" in notes
    assert "1 files that lie in no class folder" in notes


def test_class_folders_may_be_links_and_a_loop_ends(folder: Path, tmp_path: Path) -> None:
    (folder / "kite" / "back").symlink_to(folder)
    (folder / "stork").symlink_to(folder / "crane")
    found = labelled_images(folder, Classes(4, ["crane", "heron", "kite", "stork"]))
    assert sum(index == 3 for _, index in found.pairs) == 1


def test_a_mapping_is_told_in_a_line() -> None:
    text = described(class_mapping(FOLDER, NUMBERS, Classes(12, (), None, "natural")))
    assert text == (
        "Classes by the natural order of the folders: '1' is class 0, '2' is class 1, "
        "'3' is class 2, ... '12' is class 11"
    )
