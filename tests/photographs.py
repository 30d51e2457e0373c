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


def write_views_of_all(folder: Path) -> None:
    """Write seeded views of these and of scikit-learn's, so many that a build judges itself on some
    and calibrates on the others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = [*photographs(), *own.photographs()]
    for index, view in enumerate(views(images, VIEWS_OF_ALL, seed=1)):
        view.save(folder / f"{index}.png")


def write_calibration(folder: Path) -> None:
    """Write seeded views of the photographs as ``<number>.png``."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, view in enumerate(views(photographs(), VIEWS, seed=1)):
        view.save(folder / f"{index}.png")
