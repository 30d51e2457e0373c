"""The handwritten digits that ship inside scikit-learn, as images of the embedded models' size.

1,797 images of 8 x 8 pixels and 17 grey levels, from the UCI "Optical Recognition of Handwritten
Digits" set. A seeded permutation splits them: ``held_out`` is never trained or calibrated on.
"""

import gzip

import numpy as np
from PIL import Image

from edge_models.scikit_learn import data_file

HELD_OUT = 450
SPLIT_SEED = 2026
SIZE = 64


def digits(split: str) -> tuple[list[Image.Image], list[int]]:
    """RGB images of 64 x 64 pixels and their classes; ``split`` is "train" or "held_out"."""
    if split not in ("train", "held_out"):
        raise ValueError(f"no split {split!r}; there are 'train' and 'held_out'")
    with gzip.open(data_file("data/digits.csv.gz"), "rt", encoding="ascii") as file:
        rows = np.loadtxt(file, delimiter=",")  # of a digit: 64 grey levels and its class
    order = np.random.default_rng(SPLIT_SEED).permutation(len(rows))
    chosen = rows[order[:HELD_OUT] if split == "held_out" else order[HELD_OUT:]]
    return [_to_image(row[:-1]) for row in chosen], [int(row[-1]) for row in chosen]


def _to_image(pixels: np.ndarray) -> Image.Image:
    grey = Image.fromarray(np.round(pixels.reshape(8, 8) * (255 / 16)).astype(np.uint8))
    return grey.resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB")
