"""Labelled images: a folder for each class, and which class of the model each folder is."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict

from edge_models.errors import InputError
from edge_models.image_folder import ImageFolder, entries, is_hidden, list_images
from edge_models.registry import named
from export_targets.artifact.label_file import read_classes

ClassOrder = Literal["natural", "sorted"]
CLASS_ORDERS: tuple[str, ...] = get_args(ClassOrder)
HOW_TO_MAP = (
    "Rename it to one of the labels, or say which class each folder is: --labels FILE, a line "
    "FOLDER<TAB>NAME for each class in the model's order."
)


class ClassMapping(BaseModel):
    """Which class each folder is: ``rule`` says by what, ``folders`` gives the class's index."""

    model_config = ConfigDict(frozen=True)

    rule: str
    folders: dict[str, int]


@dataclass(frozen=True)
class LabelledImages:
    """Images in order of their folders, each with its class's index. ``empty`` are the folders
    without one; ``notes`` say what else was passed over.
    """

    pairs: tuple[tuple[Path, int], ...]
    mapping: ClassMapping
    listed: ImageFolder
    empty: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Classes:
    """What is known of a model's classes: their count, the artifact's labels if it has them, and
    what the user says of them: a file of labels, and the order of folders without labels.
    """

    count: int
    labels: Sequence[str]
    file: Path | None = None
    order: str | None = None


def labelled_images(folder: Path, classes: Classes) -> LabelledImages:
    """The images of ``folder/<class>/``. Raises InputError where a folder's class is not known."""
    if classes.order is not None:
        named(dict.fromkeys(CLASS_ORDERS), "order of classes", classes.order)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", "Check the path.")
    children = entries(folder)
    folders = [path for path in children if path.is_dir() and not is_hidden(path)]
    if not folders:
        raise InputError(
            f"{folder} holds no labelled images.", "Lay them out as one folder a class."
        )
    mapping = class_mapping(folder, [path.name for path in folders], classes)
    pairs: list[tuple[Path, int]] = []
    parts = []
    for path in folders:
        parts.append(list_images(path))
        pairs += [(image, mapping.folders[path.name]) for image in parts[-1].paths]
    if not pairs:
        raise InputError(f"The class folders of {folder} hold no images.", "Check the path.")
    hidden = sum(part.hidden for part in parts) + sum(map(is_hidden, children))
    endings = {ending for part in parts for ending in part.others}
    others = {e: sum(part.others.get(e, 0) for part in parts) for e in sorted(endings)}
    listed = ImageFolder(tuple(path for path, _ in pairs), hidden, others)
    empty = tuple(p.name for p, part in zip(folders, parts, strict=True) if not part.paths)
    notes = listed.notes(folder.name)
    beside = len([path for path in children if not path.is_dir() and not is_hidden(path)])
    if beside:
        notes.append(f"{folder.name}: {beside} files that lie in no class folder are passed over")
    if empty:
        notes.append(f"{folder.name}: classes without an image: {', '.join(empty)}")
    return LabelledImages(tuple(pairs), mapping, listed, empty, tuple(notes))


def class_mapping(folder: Path, names: Sequence[str], classes: Classes) -> ClassMapping:
    """Which class each folder name is. Raises InputError where that is not certain.

    Names are compared as the same text in another Unicode form is, without spaces around them. With
    labels, each folder is one of them; without, all classes have a folder, in their order.
    """
    plain = [_plain(name) for name in names]
    twice = [name for name, text in zip(names, plain, strict=True) if plain.count(text) > 1]
    if twice:
        raise InputError(
            f"Two folders of {folder} have one name, {twice[0]!r} and {twice[1]!r}.",
            "Move their images into one.",
        )
    if classes.file is not None:
        keys = _keys_of_file(classes.file, classes)
        return _by_labels(folder, names, keys, f"the labels {classes.file.name}")
    if classes.labels and classes.order is None:
        return _by_labels(folder, names, classes.labels, "the artifact's labels")
    return _by_order(folder, names, classes)


def natural_key(name: str) -> list[tuple[int, int | str]]:
    """Sorts numbers inside names by their value, and letters without their case, as the official
    CoTNet's reader of folders does.
    """
    parts = re.split(r"([0-9]+)", name.lower())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts]


def _by_labels(
    folder: Path, names: Sequence[str], labels: Sequence[str], rule: str
) -> ClassMapping:
    places: dict[str, list[int]] = {}
    for index, label in enumerate(labels):
        places.setdefault(_plain(label), []).append(index)
    for name in names:
        found = places.get(_plain(name), [])
        if not found:
            raise InputError(f"The folder {name!r} of {folder} is none of {rule}.", HOW_TO_MAP)
        if len(found) > 1:
            lines = " and ".join(str(index + 1) for index in found)
            raise InputError(
                f"The folder {name!r} of {folder} could be several classes: lines {lines} of "
                f"{rule}.",
                HOW_TO_MAP,
            )
    return ClassMapping(rule=rule, folders={name: places[_plain(name)][0] for name in names})


def _keys_of_file(path: Path, classes: Classes) -> list[str]:
    """The folder name of each class: its line, or of FOLDER<TAB>NAME the first part."""
    folders, names = read_classes(path)
    if len(folders) != classes.count:
        raise InputError(
            f"The labels {path} have {len(folders)} lines, but the model has {classes.count} "
            "classes.",
            "One class a line, in the order of the model's logits.",
        )
    for number, (name, label) in enumerate(zip(names, classes.labels, strict=False), 1):
        if _plain(name) != _plain(label):
            raise InputError(
                f"Line {number} of the labels {path} names {name!r}, but class {number - 1} of "
                f"the artifact is {label!r}.",
                "Write the lines in the order of the artifact's labels.txt.",
            )
    return folders


def _by_order(folder: Path, names: Sequence[str], classes: Classes) -> ClassMapping:
    if len(names) != classes.count:
        raise InputError(
            f"{folder} has {len(names)} class folders, but the model {classes.count} classes: "
            "which of them they are is not known.",
            "Give a folder for each class, or --labels FILE, one class a line in the model's "
            "order.",
        )
    orders = {"sorted": sorted(names), "natural": sorted(names, key=natural_key)}
    if classes.order is None and orders["sorted"] != orders["natural"]:
        first, other = next(
            pair
            for pair in zip(orders["sorted"], orders["natural"], strict=True)
            if pair[0] != pair[1]
        )
        raise InputError(
            f"The order of the classes of {folder} is not certain: {first!r} comes before "
            f"{other!r} where names are sorted as text, after it where numbers count as such.",
            "Say how the training sorted them, --class-order natural (timm, the official CoTNet) "
            "or sorted (torchvision), or give --labels FILE.",
        )
    order = classes.order or "sorted"
    return ClassMapping(
        rule=f"the {order} order of the folders",
        folders={name: index for index, name in enumerate(orders[order])},
    )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()


def described(mapping: ClassMapping, shown: int = 3) -> str:
    """A mapping in one line."""
    pairs: Iterable[tuple[str, int]] = sorted(mapping.folders.items(), key=lambda pair: pair[1])
    texts = [f"{name!r} is class {index}" for name, index in pairs]
    more = f", ... {texts[-1]}" if len(texts) > shown else ""
    return f"Classes by {mapping.rule}: {', '.join(texts[:shown])}{more}"
