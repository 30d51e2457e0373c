"""Decoding: every kind of file becomes upright RGB of 8 bits."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge_models.errors import InputError
from edge_models.image_folder import list_images
from edge_models.images import read_image, to_rgb

UPRIGHT = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: a[::-1, ::-1],
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: np.rot90,
}
ORIENTATION = 0x0112


def pixels(channels: int, seed: int = 0, dtype: str = "uint8") -> np.ndarray:
    """Random (5, 7, channels) over the whole range of the type."""
    shape = (5, 7, channels) if channels > 1 else (5, 7)
    high = np.iinfo(dtype).max + 1
    return np.random.default_rng(seed).integers(0, high, shape).astype(dtype)


def read_back(image: Image.Image, path: Path, **options: object) -> np.ndarray:
    image.save(path, **options)
    result = read_image(path)
    assert result.mode == "RGB"
    return np.asarray(result).astype(int)


def assert_within_one(actual: np.ndarray, expected: np.ndarray) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= 1


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_exif_orientation_is_applied(orientation: int, ending: str, tmp_path: Path) -> None:
    stored = pixels(3)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = read_back(Image.fromarray(stored), tmp_path / f"image.{ending}", exif=exif)
    np.testing.assert_array_equal(image, UPRIGHT[orientation](stored))


def test_jpeg_of_a_phone_is_upright(tmp_path: Path) -> None:
    stored = np.zeros((16, 32, 3), np.uint8)
    stored[:, :16] = 200
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image = read_back(Image.fromarray(stored), tmp_path / "image.jpg", exif=exif)
    assert image.shape == (32, 16, 3)
    assert image[:14].min() > 190
    assert image[18:].max() < 10


def test_grey_stands_in_all_channels(tmp_path: Path) -> None:
    grey = pixels(1)
    image = read_back(Image.fromarray(grey), tmp_path / "image.png")
    np.testing.assert_array_equal(image, np.stack([grey] * 3, axis=-1))


@pytest.mark.parametrize(("ending", "dtype"), [("png", "<u2"), ("tif", "<u2"), ("tif", ">u2")])
def test_sixteen_bit_grey_is_scaled(ending: str, dtype: str, tmp_path: Path) -> None:
    grey = pixels(1, dtype="uint16")
    grey[0, :3] = (0, 65535, 257 * 100)
    image = read_back(Image.fromarray(grey.astype(dtype)), tmp_path / f"image.{ending}")
    np.testing.assert_array_equal(image[..., 0], np.round(grey / 257))
    assert list(image[0, :3, 1]) == [0, 255, 100]


def test_alpha_is_over_black(tmp_path: Path) -> None:
    rgba = pixels(4)
    rgba[0, :2, 3] = (0, 255)
    image = read_back(Image.fromarray(rgba), tmp_path / "image.png")
    assert_within_one(image, np.round(rgba[..., :3] * (rgba[..., 3:] / 255)))
    np.testing.assert_array_equal(image[0, 0], 0)
    np.testing.assert_array_equal(image[0, 1], rgba[0, 1, :3])


def test_grey_with_alpha_is_over_black(tmp_path: Path) -> None:
    both = pixels(2)
    image = read_back(Image.fromarray(both), tmp_path / "image.png")
    assert_within_one(image[..., 2], np.round(both[..., 0] * (both[..., 1] / 255)))


def test_palette_with_transparency_is_over_black(tmp_path: Path) -> None:
    indices = pixels(1) % 4
    palette, alpha = pixels(3, seed=1)[0, :4], np.array([255, 0, 128, 30])
    image = Image.fromarray(indices).convert("L")
    image.putpalette(palette.flatten().tolist())
    result = read_back(image, tmp_path / "image.png", transparency=bytes(alpha.tolist()))
    assert_within_one(result, np.round(palette * (alpha[:, None] / 255))[indices])


def test_transparent_colour_of_a_png_is_black(tmp_path: Path) -> None:
    rgb = pixels(3)
    colour = tuple(int(value) for value in rgb[2, 3])
    image = read_back(Image.fromarray(rgb), tmp_path / "image.png", transparency=colour)
    expected = rgb.copy()
    expected[2, 3] = 0
    np.testing.assert_array_equal(image, expected)


def test_cmyk_is_converted(tmp_path: Path) -> None:
    cmyk = pixels(4)
    image = read_back(Image.fromarray(cmyk, mode="CMYK"), tmp_path / "image.tif")
    ink = 1 - cmyk / 255
    assert_within_one(image, np.round(255 * ink[..., :3] * ink[..., 3:]))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "HSV"])
def test_every_mode_becomes_rgb_of_the_same_size(mode: str) -> None:
    image = Image.fromarray(pixels(3))
    image = to_mode(image, mode)
    assert to_rgb(image).mode == "RGB"
    assert to_rgb(image).size == (7, 5)


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    return Image.new("LAB", image.size, (90, 40, 20)) if mode == "LAB" else image.convert(mode)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + bytes(30)])
def test_a_broken_file_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "image.png").write_bytes(content)
    with pytest.raises(InputError, match=r"image\.png cannot be read") as error:
        read_image(tmp_path / "image.png")
    assert error.value.remedy


def test_images_are_found_below_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a/deep/er/c.webp", "notes.txt", "a/x.npy", "image"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path).paths]
    assert found == ["a/deep/er/c.webp", "a/z.png", "b.JPG"]
