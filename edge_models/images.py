"""Images: finding them, decoding them, and a model's preprocessing, all with Pillow.

The rule, for Python and for every app: EXIF orientation; RGB (grey and 16-bit converted, alpha
over black); shorter side resized to round(size / crop); centre crop; / 255; minus mean, over std.
Sides are rounded half to even.
"""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from edge_models.errors import InputError
from edge_models.spec import InputSpec

# Beyond these a small file could fill the memory, decoded or resized to a model's shorter side.
# Pillow itself only warns at this many pixels and refuses twice as many.
MAX_PIXELS = 89_478_485
MAX_ELONGATION = 100  # longer side over shorter side

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".gif"})


def find_images(folder: Path) -> list[Path]:
    """The image files below a folder, sorted. Raises InputError where one cannot be listed."""

    def refuse(error: OSError) -> NoReturn:
        raise InputError(
            f"The folder {error.filename} cannot be read: {error.strerror}.", "Check its rights."
        ) from error

    below = (
        Path(root, name) for root, _, names in os.walk(folder, onerror=refuse) for name in names
    )
    return sorted(path for path in below if path.suffix.lower() in SUFFIXES and path.is_file())


def read_image(path: Path) -> Image.Image:
    """Decode a file to upright RGB. Raises InputError for one that Pillow cannot decode, and,
    before its pixels are allocated, for one that is too large or too long.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata that the pixels do not need
            # by a file, not its name: Pillow maps a named TIFF with its sides swapped, if turned
            with path.open("rb") as file, Image.open(file) as image:
                _check_size(image)
                return to_rgb(ImageOps.exif_transpose(image))
    except MemoryError:  # no fault of the file: its size was checked
        raise
    except Exception as error:  # Pillow's decoders raise whatever they stumble on
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "no known format" if unknown else str(error) or type(error).__name__
        raise InputError(
            f"The image {path} cannot be read: {reason}", "Remove or replace it."
        ) from error


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS}")
    if max(image.size) > MAX_ELONGATION * min(image.size):
        raise ValueError(
            f"of {image.width}x{image.height} pixels one side is more than {MAX_ELONGATION} times "
            "the other"
        )


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of 8 bits: 16-bit grey scaled by 1/257, transparency over black."""
    if image.mode.startswith("I;16") or image.mode == "I":
        grey = np.asarray(image.convert("I"), dtype=np.int64).clip(0, 65535)
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return image.convert("RGB")


def resize_and_crop(image: Image.Image, spec: InputSpec, size: tuple[int, int]) -> Image.Image:
    """Resize so that the crop window of (height, width) / ``spec.crop`` is covered, then cut it."""
    height, width = size
    resample = Image.Resampling[spec.interpolation.upper()]
    # the shorter side before the crop, and the longer in proportion: what a manifest tells an app
    shorter = min(size)
    before = round(shorter / spec.crop)
    scale = max(
        round(height * before / shorter) / image.height,
        round(width * before / shorter) / image.width,
    )
    resized = (
        max(width, round(image.width * scale)),
        max(height, round(image.height * scale)),
    )
    # rows, then columns: in one call the order, and so the rounding, is for Pillow's version to say
    for step in ((resized[0], image.height), resized):
        if step != image.size:
            image = image.resize(step, resample)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def to_tensor(image: Image.Image, spec: InputSpec) -> Tensor:
    """Normalize an RGB image to float32 (3, H, W)."""
    pixels = torch.from_numpy(np.asarray(image, dtype=np.float32) / np.float32(255))
    normalized = (pixels - torch.tensor(spec.mean)) / torch.tensor(spec.std)
    return normalized.permute(2, 0, 1).contiguous()


def to_pixels(inputs: Tensor, spec: InputSpec) -> Tensor:
    """The 8-bit pixels, 0 to 255, that normalized inputs (..., 3, H, W) came from; float32."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (spec.mean, spec.std))
    return ((inputs * std + mean) * 255).round()


def preprocess(image: Image.Image, spec: InputSpec, size: tuple[int, int]) -> Tensor:
    """An RGB image as the model's input, float32 (3, H, W)."""
    return to_tensor(resize_and_crop(image, spec, size), spec)


def preprocess_all(images: Sequence[Image.Image], spec: InputSpec, size: tuple[int, int]) -> Tensor:
    """RGB images as one batch, float32 (N, 3, H, W)."""
    return torch.stack([preprocess(image, spec, size) for image in images])
