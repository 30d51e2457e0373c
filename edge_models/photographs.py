"""Photographs that ship inside scikit-learn, cut into differing views.

They are the parity inputs of models for which nobody gave images, and never calibration data.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageOps

from edge_models.images import read_image
from edge_models.scikit_learn import data_file

SMALLEST_SHARE = 0.35  # of the photograph's shorter side that a view covers


def photographs() -> list[Image.Image]:
    """The two photographs of scikit-learn: a temple and a flower, 640 x 427 pixels."""
    return [read_image(data_file(f"images/{name}.jpg")) for name in ("china", "flower")]


def views(images: Sequence[Image.Image], count: int, seed: int = 0) -> list[Image.Image]:
    """``count`` seeded square crops of varying place and scale, every other one mirrored."""
    generator = np.random.default_rng(seed)
    result = []
    for index in range(count):
        image = images[index % len(images)]
        shorter = min(image.size)
        side = int(shorter * generator.uniform(SMALLEST_SHARE, 1.0))
        left = int(generator.integers(0, image.width - side + 1))
        top = int(generator.integers(0, image.height - side + 1))
        view = image.crop((left, top, left + side, top + side))
        result.append(ImageOps.mirror(view) if index // len(images) % 2 else view)
    return result
