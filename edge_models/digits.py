"""The handwritten digits that ship inside scikit-learn, as images of the embedded models' size.

1,797 images of 8 x 8 pixels and 17 grey levels, from the UCI "Optical Recognition of Handwritten
Digits" set. A seeded permutation splits them: ``held_out`` is never trained or calibrated on.
"""

import numpy as np
from PIL import Image

HELD_OUT = 450
SPLIT_SEED = 2026
SIZE = 64


def digits(split: str) -> tuple[list[Image.Image], list[int]]:
    """RGB images of 64 x 64 pixels and their classes; ``split`` is "train" or "held_out"."""
    from sklearn.datasets import load_digits

    if split not in ("train", "held_out"):
        raise ValueError(f"no split {split!r}; there are 'train' and 'held_out'")
    data = load_digits()
    order = np.random.default_rng(SPLIT_SEED).permutation(len(data.target))
    chosen = order[:HELD_OUT] if split == "held_out" else order[HELD_OUT:]
    return [_to_image(data.images[i]) for i in chosen], [int(data.target[i]) for i in chosen]


def _to_image(pixels: np.ndarray) -> Image.Image:
    grey = Image.fromarray(np.round(pixels * (255 / 16)).astype(np.uint8))
    return grey.resize((SIZE, SIZE), Image.Resampling.BICUBIC).convert("RGB")
