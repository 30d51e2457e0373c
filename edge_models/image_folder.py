"""The images of a folder: which files are taken, and which are passed over, counted."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar, cast

from edge_models.errors import InputError, described
from edge_models.images import HEIF_SUFFIXES

SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"),
        *HEIF_SUFFIXES,
    }
)
ARCHIVE_REMAINS = "__MACOSX"  # what macOS adds to a zip archive
NO_FILE = "no file (a link that leads nowhere, a pipe)"
Item = TypeVar("Item")


@dataclass(frozen=True)
class ImageFolder:
    """``paths`` are in order of their names, folder by folder. ``hidden`` counts the files and
    folders that begin with a dot, and ``__MACOSX``; ``others`` the further files, by ending.
    """

    paths: tuple[Path, ...]
    hidden: int
    others: Mapping[str, int]

    def notes(self, name: str) -> list[str]:
        """What was passed over in the folder of a name, a line each."""
        notes = []
        if self.hidden:
            notes.append(f"{name}: {self.hidden} hidden files or folders are passed over")
        if self.others:
            counts = ", ".join(f"{count} {ending}" for ending, count in self.others.items())
            notes.append(f"{name}: files that are no images by their ending: {counts}")
        if HEIF_SUFFIXES & {ending.lower() for ending in self.others}:
            notes.append(f"{name}: to read HEIC, pip install pillow-heif")
        return notes


def list_images(folder: Path) -> ImageFolder:
    """The image files below a folder; links are followed. Raises InputError where a folder cannot
    be read.
    """
    paths: list[Path] = []
    others: Counter[str] = Counter()
    hidden = 0
    for path in _below(folder, ()):
        if is_hidden(path):
            hidden += 1
        elif not path.is_file():
            others[NO_FILE] += 1
        elif path.suffix.lower() in _readable():
            paths.append(path)
        else:
            others[path.suffix or path.name] += 1
    return ImageFolder(tuple(paths), hidden, dict(sorted(others.items())))


def is_address(text: str) -> bool:
    """Whether a text is the address of what is read over a network, not a path."""
    return "://" in text


def path_at(address: str | Path) -> Path:
    """A path, also of what stands at an address that fsspec knows, as ``s3://`` or ``https://``.

    Raises InputError where a package for the address is missing.
    """
    if not is_address(str(address)):
        return Path(address)
    try:
        from upath import UPath

        path = UPath(str(address))
        path.fs  # noqa: B018  # here it is missed, not when the first image is read
    except (ImportError, ValueError) as error:
        raise InputError(
            f"The address {address} cannot be read: {described(error)}",
            "pip install 'edgeform[remote]', and what fsspec needs for it: s3fs for s3://, gcsfs "
            "for gs://.",
        ) from error
    return cast(Path, path)  # it has what is asked of a path here


def is_hidden(path: Path) -> bool:
    """Whether a name says that a file or folder is not the user's."""
    return path.name.startswith(".") or path.name == ARCHIVE_REMAINS


def entries(folder: Path) -> list[Path]:
    """What stands in a folder, in order of the names. Raises InputError where it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"The folder {folder} cannot be read: {error.strerror}.", "Check its rights."
        ) from error


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most ``count`` of the items, evenly over their order."""
    if count >= len(items):
        return list(items)
    return [items[index * len(items) // count] for index in range(count)]


def _readable() -> frozenset[str]:
    return SUFFIXES if find_spec("pillow_heif") else SUFFIXES - HEIF_SUFFIXES


def _below(folder: Path, above: tuple[tuple[int, int], ...]) -> Iterator[Path]:
    """The files below a folder and what is hidden. ``above`` are the folders on the way, by device
    and number: a link that leads back to one of them is not followed.
    """
    children = entries(folder)
    stat = folder.stat()
    place = (stat.st_dev, stat.st_ino)
    if stat.st_ino and place in above:  # what is read over a network has no numbers, nor links
        return
    for child in children:
        if child.is_dir() and not is_hidden(child):
            yield from _below(child, (*above, place))
        else:
            yield child
