"""Photographs of scikit-image, for calibration; parity and speed are judged on scikit-learn's."""

from pathlib import Path

import skimage

from edge_models.images import read_image
from edge_models.photographs import views

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png")
VIEWS = 24


def write_calibration(folder: Path) -> None:
    """Write seeded views of the photographs as ``<number>.png``."""
    source = Path(skimage.__file__).parent / "data"
    images = [read_image(source / name) for name in NAMES]
    folder.mkdir(parents=True, exist_ok=True)
    for index, view in enumerate(views(images, VIEWS, seed=1)):
        view.save(folder / f"{index}.png")
