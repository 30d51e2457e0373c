"""Photographs of scikit-image, for calibration; parity and speed are judged on scikit-learn's."""

from collections.abc import Sequence
from pathlib import Path

import skimage
from PIL import Image

from edge_models import photographs as own
from edge_models.images import read_image
from edge_models.photographs import views

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
VIEWS = 24
VIEWS_OF_ALL = 56


def photographs(names: Sequence[str] = NAMES) -> list[Image.Image]:
    source = Path(skimage.__file__).parent / "data"
    return [read_image(source / name) for name in names]


def views_of_all() -> list[Image.Image]:
    """Seeded views of these and of scikit-learn's, so many that a build judges itself on some and
    calibrates on the others.
    """
    return views([*photographs(), *own.photographs()], VIEWS_OF_ALL, seed=1)


def write_views_of_all(folder: Path) -> None:
    """Write them as ``<number>.png``."""
    _write(folder, views_of_all())


def write_calibration(folder: Path) -> None:
    """Write seeded views of the photographs as ``<number>.png``."""
    _write(folder, views(photographs(), VIEWS, seed=1))


def _write(folder: Path, images: Sequence[Image.Image]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        image.save(folder / f"{index}.png")
