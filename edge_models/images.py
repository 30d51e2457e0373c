"""One image: decoding it, and a model's preprocessing, all with Pillow.

The rule, for Python and for every app: EXIF orientation; RGB (grey and 16-bit converted, alpha
over black); shorter side resized to round(size / crop); centre crop, or both sides stretched to
size; / 255; minus mean, over std.
Sides are rounded half to even. Up to the crop an image is 8-bit pixels: ``normalize`` is the last
step, where a model takes them.
"""

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError
from torch import Tensor

from edge_models.errors import InputError
from edge_models.spec import InputSpec, Size

# Beyond these a small file could fill the memory, decoded or resized to a model's shorter side.
# Pillow itself only warns at this many pixels and refuses twice as many.
MAX_PIXELS = 89_478_485
MAX_ELONGATION = 100  # longer side over shorter side
HEIF_SUFFIXES = frozenset({".heic", ".heif"})
NARROW = 32  # an eighth of the 8-bit range


@dataclass(frozen=True)
class Decoded:
    """Upright RGB of 8 bits. ``narrow``: its file has 16 bits a channel, of which it uses less than
    an eighth of the range, as where 12 bits were stored in 16: it is nearly black.
    """

    image: Image.Image
    narrow: bool


def read_image(path: Path) -> Image.Image:
    """Decode a file to upright RGB. Raises InputError as ``decode``."""
    return decode(path).image


def decode(path: Path) -> Decoded:
    """Decode a file. Raises InputError for one that Pillow cannot decode or whose range of numbers
    is not known, and, before its pixels are allocated, for one that is too large or too long.
    """
    if path.suffix.lower() in HEIF_SUFFIXES:
        _register_heif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged metadata that the pixels do not need
            # by a file, not its name: Pillow maps a named TIFF with its sides swapped, if turned
            with path.open("rb") as file, Image.open(file) as image:
                _check_size(image)
                wide = _has_16_bits(image)
                rgb = to_rgb(ImageOps.exif_transpose(image))
                return Decoded(rgb, wide and int(np.asarray(rgb).max()) < NARROW)
    except (MemoryError, InputError):  # no fault of the file: its size was checked
        raise
    except Exception as error:  # Pillow's decoders raise whatever they stumble on
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "no known format" if unknown else str(error) or type(error).__name__
        remedy = "Remove or replace it."
        if isinstance(error, UnknownRangeError):
            remedy = "Save it with 8 or 16 bits a channel."
        raise InputError(f"The image {path} cannot be read: {reason}", remedy) from error


class UnknownRangeError(ValueError):
    """Numbers of which nothing says what is white."""


def _register_heif() -> None:
    """Let Pillow read HEIC, where pillow-heif is installed; else it knows no such format."""
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return
    register_heif_opener()


def _check_size(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(f"{image.width}x{image.height} pixels are more than {MAX_PIXELS}")
    if max(image.size) > MAX_ELONGATION * min(image.size):
        raise ValueError(
            f"of {image.width}x{image.height} pixels one side is more than {MAX_ELONGATION} times "
            "the other"
        )


def _has_16_bits(image: ImageFile.ImageFile) -> bool:
    """Whether a file has 16 bits a channel. Pillow makes RGB of 8 bits of it by itself, and says so
    only in how it will decode.
    """
    return image.mode.startswith("I") or any(";16" in str(tile[3]) for tile in image.tile)


def to_rgb(image: Image.Image) -> Image.Image:
    """RGB of 8 bits: 16-bit grey scaled by 1/257, transparency over black. Raises ValueError for
    floating-point and 32-bit numbers, whose white is not known.
    """
    if image.mode == "F":
        raise UnknownRangeError("it holds floating-point numbers, whose range is not known")
    if image.mode.startswith("I"):
        grey = np.asarray(image.convert("I"), dtype=np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise UnknownRangeError("it holds 32-bit numbers, whose range is not known")
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    return image.convert("RGB")


def resize_and_crop(image: Image.Image, spec: InputSpec, size: tuple[int, int]) -> Image.Image:
    """Resize so that the crop window of (height, width) / ``spec.crop`` is covered, then cut it; or
    stretch to (height, width).
    """
    height, width = size
    resized = (width, height) if spec.resize == "stretch" else _covering(image, spec, size)
    resample = Image.Resampling[spec.interpolation.upper()]
    # rows, then columns: in one call the order, and so the rounding, is for Pillow's version to say
    for step in ((resized[0], image.height), resized):
        if step != image.size:
            image = image.resize(step, resample)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    return image.crop((left, top, left + width, top + height))


def _covering(image: Image.Image, spec: InputSpec, size: Size) -> tuple[int, int]:
    """The (width, height) of an image that covers the crop window."""
    height, width = size
    # the shorter side before the crop, and the longer in proportion: what a manifest tells an app
    shorter = min(size)
    before = round(shorter / spec.crop)
    scale = max(
        round(height * before / shorter) / image.height,
        round(width * before / shorter) / image.width,
    )
    return max(width, round(image.width * scale)), max(height, round(image.height * scale))


def to_pixels(image: Image.Image) -> Tensor:
    """The pixels of an RGB image, uint8 (3, H, W)."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def to_image(pixels: Tensor) -> Image.Image:
    """The RGB image of pixels, uint8 (3, H, W)."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())


def crops(images: Iterable[Image.Image], spec: InputSpec, size: Size) -> Tensor:
    """RGB images resized and cropped to (H, W), uint8 (N, 3, H, W)."""
    return torch.stack([to_pixels(resize_and_crop(image, spec, size)) for image in images])


def normalize(pixels: Tensor, spec: InputSpec) -> Tensor:
    """Pixels 0 to 255, (..., 3, H, W), as a model takes them: float32."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (spec.mean, spec.std))
    return (pixels.float() / 255 - mean) / std


def preprocess(image: Image.Image, spec: InputSpec, size: Size) -> Tensor:
    """An RGB image as the model's input, float32 (3, H, W)."""
    return normalize(to_pixels(resize_and_crop(image, spec, size)), spec)


def preprocess_all(images: Iterable[Image.Image], spec: InputSpec, size: Size) -> Tensor:
    """RGB images as one batch, float32 (N, 3, H, W)."""
    return normalize(crops(images, spec, size), spec)
