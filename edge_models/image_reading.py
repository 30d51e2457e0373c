"""Reading many images of a folder: a broken one is left out, and too many of them are refused."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from edge_models.errors import InputError
from edge_models.images import decode, resize_and_crop, to_pixels
from edge_models.spec import InputSpec, Size

UNREADABLE_SHARE = 0.1  # of the images that are read; more is an error


@dataclass
class CropReader:
    """Reads ``total`` images of a folder as crops of a model, and keeps what went wrong.

    ``strict``: the first image that cannot be read is refused. ``unreadable`` says why each was
    left out; ``narrow`` counts 16-bit images that use less than an eighth of their range.
    """

    folder: Path
    total: int
    spec: InputSpec
    size: Size
    strict: bool = False
    unreadable: list[str] = field(default_factory=list)
    narrow: int = 0

    def read(self, path: Path) -> Tensor | None:
        """A crop, uint8 (3, H, W); None for an image that is left out. Raises InputError where too
        many are, or, where it is strict, for the first.
        """
        try:
            decoded = decode(path)
        except InputError as error:
            if self.strict:
                raise
            self.unreadable.append(error.what)
            check_unreadable(self.unreadable, self.total, self.folder, error.remedy)
            return None
        self.narrow += decoded.narrow
        return to_pixels(resize_and_crop(decoded.image, self.spec, self.size))

    def read_all(self, paths: Iterable[Path], progress: Callable[[], None]) -> list[Tensor]:
        """The crops of those that can be read; ``progress`` is called for each file."""
        crops = []
        for path in paths:
            crop = self.read(path)
            progress()
            if crop is not None:
                crops.append(crop)
        return crops

    def notes(self) -> list[str]:
        """What the user should know of what was read, a line each."""
        return reading_notes(self.unreadable, self.narrow, self.total, self.folder)


def check_unreadable(
    unreadable: Sequence[str],
    total: int,
    folder: Path,
    remedy: str = "Mend them, or take them out of the folder.",
) -> None:
    """Raises InputError where too many of the ``total`` images of a folder are left out."""
    if len(unreadable) > UNREADABLE_SHARE * total:
        raise InputError(
            f"More than a tenth of the {total} images of {folder} cannot be read; the first: "
            f"{unreadable[0]}",
            remedy,
        )


def reading_notes(unreadable: Sequence[str], narrow: int, total: int, folder: Path) -> list[str]:
    """What the user should know of images that were left out or are nearly black, a line each."""
    notes = [f"Left out: {reason}" for reason in unreadable]
    if narrow:
        notes.append(
            f"warning: {narrow} of the {total} images of {folder.name} have 16 bits a channel and "
            "use less than an eighth of the range: they are nearly black. Scale them to the whole "
            "range"
        )
    return notes
