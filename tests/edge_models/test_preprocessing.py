"""Preprocessing against a plain Pillow and NumPy computation."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from edge_models.catalog import model_specs
from edge_models.images import normalize, preprocess, preprocess_all, resize_and_crop, to_pixels
from edge_models.spec import DIGITS_INPUT, InputSpec, ModelSpec

IMAGENET = InputSpec()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    generator = np.random.default_rng(seed)
    return Image.fromarray(generator.integers(0, 256, (height, width, 3), dtype=np.uint8))


# (image size, wanted (height, width), resized to, left, top), worked out by hand; crop 0.875
CASES = [
    ((640, 427), (224, 224), (384, 256), 80, 16),
    ((427, 640), (224, 224), (256, 384), 16, 80),
    ((300, 300), (224, 224), (256, 256), 16, 16),
    ((256, 256), (224, 224), (256, 256), 16, 16),
    ((100, 400), (224, 224), (256, 1024), 16, 400),
    ((3, 2), (224, 224), (384, 256), 80, 16),
    ((400, 2), (32, 32), (7400, 37), 3684, 2),
    ((2, 400), (32, 32), (37, 7400), 2, 3684),
    ((1, 1), (64, 64), (73, 73), 4, 4),
    ((200, 200), (64, 96), (110, 110), 7, 23),
    ((300, 100), (64, 96), (219, 73), 61, 4),
    ((100, 300), (96, 64), (73, 219), 4, 61),
    ((1168, 80), (64, 1024), (1168, 80), 72, 8),
]


@pytest.mark.parametrize(("image_size", "size", "resized", "left", "top"), CASES)
def test_resize_and_crop_rule(
    image_size: tuple[int, int],
    size: tuple[int, int],
    resized: tuple[int, int],
    left: int,
    top: int,
) -> None:
    image = noise(*image_size)
    rows = image.resize((resized[0], image.height), Image.Resampling.BICUBIC)
    plain = np.asarray(rows.resize(resized, Image.Resampling.BICUBIC))
    expected = plain[top : top + size[0], left : left + size[1]]
    result = resize_and_crop(image, IMAGENET, size)
    np.testing.assert_array_equal(np.asarray(result), expected)


@pytest.mark.parametrize("name", ["bilinear", "bicubic", "nearest"])
def test_interpolation_is_the_specs(name: str) -> None:
    image, spec = noise(90, 60), replace(IMAGENET, interpolation=name, crop=1.0)
    expected = image.resize((48, 32), Image.Resampling[name.upper()]).crop((8, 0, 40, 32))
    assert resize_and_crop(image, spec, (32, 32)).tobytes() == expected.tobytes()


def test_image_of_the_models_size_is_kept() -> None:
    image = noise(64, 64)
    assert resize_and_crop(image, DIGITS_INPUT, (64, 64)).tobytes() == image.tobytes()


@pytest.mark.parametrize("spec", model_specs().values(), ids=lambda spec: spec.name)
def test_normalization(spec: ModelSpec) -> None:
    image = noise(7, 5)
    pixels = np.asarray(image).astype(np.float64) / 255
    expected = ((pixels - spec.input.mean) / spec.input.std).transpose(2, 0, 1)
    tensor = normalize(to_pixels(image), spec.input)
    assert tensor.dtype == torch.float32
    assert tensor.is_contiguous()
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=0, atol=1e-6)


def test_batch_is_each_image_on_its_own() -> None:
    images = [noise(90, 60, seed=1), noise(40, 80, seed=2)]
    batch = preprocess_all(images, IMAGENET, (32, 64))
    assert batch.shape == (2, 3, 32, 64)
    for image, tensor in zip(images, batch, strict=True):
        cropped = resize_and_crop(image, IMAGENET, (32, 64))
        assert torch.equal(tensor, normalize(to_pixels(cropped), IMAGENET))
        assert torch.equal(tensor, preprocess(image, IMAGENET, (32, 64)))
