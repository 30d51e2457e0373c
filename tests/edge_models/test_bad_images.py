"""Images and folders that cannot be read: an InputError, before much memory is allocated."""

import io
import os
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edge_models import images
from edge_models.errors import InputError
from edge_models.image_folder import list_images
from edge_models.images import MAX_ELONGATION, MAX_PIXELS, read_image, to_rgb
from tests.bad_input import as_nobody, mutated, only_inside, refused_or

ROTATED = 6  # an EXIF orientation


def encoded(form: str, mode: str) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (9, 13, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    image = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    exif = Image.Exif()
    exif[0x0112] = ROTATED
    file = io.BytesIO()
    options = {} if form == "BMP" else {"exif": exif}
    image.save(file, form, **options)
    return file.getvalue()


FORMS = [
    *(("PNG", "RGB"), ("PNG", "RGBA"), ("PNG", "LA"), ("PNG", "I;16"), ("PNG", "P")),
    *(("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "RGB")),
    *(("GIF", "P"), ("BMP", "RGB"), ("WEBP", "RGBA")),
]
ENCODED = {f"{form} {mode}": encoded(form, mode) for form, mode in FORMS}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


def png(width: int, height: int) -> bytes:
    """A grey PNG of a size, whose compressed pixels are all zero and mostly missing."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    pixels = zlib.compress(bytes(min(width * height, 1000)))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


@given(content=st.sampled_from(list(ENCODED.values())).flatmap(mutated))
def test_a_mutated_image_is_read_or_refused(content: bytes, folder: Path) -> None:
    path = folder / "mutated.png"
    path.write_bytes(content)
    with only_inside(folder):
        image = refused_or(read_image, path)
    if image is not None:
        assert image.mode == "RGB"
        assert image.width * image.height <= MAX_PIXELS


@given(content=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes, folder: Path) -> None:
    path = folder / "bytes.jpg"
    path.write_bytes(content)
    with only_inside(folder), pytest.raises(InputError, match=r"bytes\.jpg cannot be read"):
        read_image(path)


@pytest.mark.parametrize("name", ENCODED)
def test_every_kind_is_read_as_pillow_converts_it(name: str, folder: Path) -> None:
    path = folder / "whole"
    path.write_bytes(ENCODED[name])
    read = read_image(path)
    with Image.open(io.BytesIO(ENCODED[name])) as image:
        upright = ImageOps.exif_transpose(image)
        if image.mode.startswith("I"):
            grey = np.round(np.asarray(upright).astype(float) / 257).astype(np.uint8)
            upright = Image.fromarray(grey)
        expected = upright.convert("RGBA" if upright.has_transparency_data else "RGB")
    if expected.mode == "RGBA":
        expected = Image.alpha_composite(Image.new("RGBA", expected.size, "black"), expected)
    assert read.size == ((13, 9) if name.startswith(("BMP", "GIF")) else (9, 13))
    np.testing.assert_array_equal(np.asarray(read), np.asarray(expected.convert("RGB")))


@given(
    grey=st.lists(st.integers(0, 65535), min_size=1, max_size=20),
    alpha=st.integers(0, 255),
)
def test_sixteen_bits_and_alpha_follow_the_rule(grey: list[int], alpha: int) -> None:
    wide = np.array([grey], dtype=np.uint16)
    narrow = np.round(wide / 257).astype(np.uint8)
    np.testing.assert_array_equal(np.asarray(to_rgb(Image.fromarray(wide)))[..., 0], narrow)
    both = Image.merge("LA", (Image.fromarray(narrow), Image.new("L", (len(grey), 1), alpha)))
    over_black = np.asarray(to_rgb(both))[..., 1].astype(int)
    assert np.abs(over_black - narrow * (alpha / 255)).max() <= 1


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (9460, 9460),  # Pillow itself only warns
        (13_400, 13_400),  # more than Pillow's own limit
        (2**31 - 1, 2**31 - 1),
        (MAX_PIXELS // 30_000 + 1, 30_000),
        (1, MAX_ELONGATION + 1),  # small, but resized to a shorter side of 256 it is not
        (65_535, 1),
    ],
)
def test_a_bomb_is_refused_before_its_pixels_are_allocated(
    width: int, height: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*_: object) -> NoReturn:
        raise AssertionError("the pixels were decoded")

    monkeypatch.setattr(Image.Image, "load", loaded)
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", loaded)
    path = folder / "bomb.png"
    path.write_bytes(png(width, height))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"bomb\.png cannot be read") as error:
        read_image(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not isinstance(error.value.__cause__, AssertionError)
    assert peak < 2_000_000


def test_an_image_at_the_limit_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 300)
    path = folder / "limit.png"
    for width, fits in ((30, True), (31, False)):
        Image.new("L", (width, 10)).save(path)
        if fits:
            assert read_image(path).size == (width, 10)
        else:
            with pytest.raises(InputError, match="more than 300"):
                read_image(path)


def test_damaged_metadata_is_no_reason_to_refuse(folder: Path) -> None:
    content = ENCODED["JPEG RGB"].replace(b"\x01\x12\x00\x03\x00\x00\x00\x01", b"\xff" * 8)
    assert content != ENCODED["JPEG RGB"]
    (folder / "exif.jpg").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_image(folder / "exif.jpg").size == (13, 9)


def test_a_lack_of_memory_is_no_fault_of_the_image(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def greedy(*_: object) -> NoReturn:
        raise MemoryError

    (folder / "good.png").write_bytes(ENCODED["PNG RGB"])
    monkeypatch.setattr(images, "to_rgb", greedy)
    with pytest.raises(MemoryError):
        read_image(folder / "good.png")


MISSING: dict[str, Callable[[Path], object]] = {
    "absent": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "a broken link": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
}


@pytest.mark.parametrize("name", MISSING)
def test_what_is_no_file_is_refused_and_not_found(name: str, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    MISSING[name](path)
    with pytest.raises(InputError, match=r"image\.png cannot be read"):
        read_image(path)
    assert list_images(tmp_path).paths == ()


def test_a_pipe_is_not_an_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "image.png")  # reading it would wait for ever
    assert list_images(tmp_path).paths == ()


def test_an_unreadable_folder_is_named_and_not_left_out(tmp_path: Path) -> None:
    (tmp_path / "images" / "locked").mkdir(parents=True)
    (tmp_path / "images" / "locked").chmod(0o000)
    Image.new("L", (4, 4)).save(tmp_path / "images" / "seen.png")
    with (
        as_nobody(tmp_path),
        pytest.raises(InputError, match="locked cannot be read: Permission denied"),
    ):
        list_images(tmp_path / "images")
