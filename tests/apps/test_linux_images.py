"""The C++ runner prepares an image as the Python side does."""

import json
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_models.images import preprocess, read_image
from edge_models.spec import InputSpec
from export_targets.artifact.folder import MANIFEST
from tests.apps.conftest import Runner, needs_runner
from tests.apps.golden import SIZES, noise, preprocessing, with_input

JPEG_DB = 45.0  # stb's inverse transform and colours round otherwise than libjpeg's: measured 48.6

pytestmark = needs_runner


def prepared(
    runner: Runner, folder: Path, content: bytes, spec: InputSpec, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """The runner's input for an image file and the Python side's."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    changed = with_input(manifest, spec, size)
    (folder / MANIFEST).write_text(json.dumps(changed), encoding="utf-8")
    image, out = folder / "image", folder / "input.f32"
    image.write_bytes(content)
    ran = runner("prepare", folder, image, out)
    assert ran.code == 0, ran.err
    expected = preprocess(read_image(image), spec, size).numpy()
    return np.fromfile(out, "<f4").reshape(expected.shape), expected


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_a_png_is_prepared_to_the_bit(interpolation: Any, bare: Path, runner: Runner) -> None:
    generator = np.random.default_rng(0)
    spec = InputSpec(interpolation=interpolation)
    for (width, height), size in SIZES:
        content = encoded(noise(width, height, generator))
        found, expected = prepared(runner, bare, content, spec, size)
        assert found.tobytes() == expected.tobytes(), (width, height, size)


def test_an_image_is_stretched_to_the_bit(bare: Path, runner: Runner) -> None:
    manifest = json.loads((bare / MANIFEST).read_text(encoding="utf-8"))
    stretched = [
        case
        for case in preprocessing(bare, manifest, np.random.default_rng(0))
        if "_stretched_" in case["name"]
    ]
    assert len(stretched) == 8
    for case in stretched:
        (bare / MANIFEST).write_text(case["manifest"], encoding="utf-8")
        source = case["source"]
        pixels = (bare / source["path"]).read_bytes()
        image = Image.frombytes("RGB", (source["width"], source["height"]), pixels)
        image.save(bare / "image.png")
        ran = runner("prepare", bare, bare / "image.png", bare / "out")
        assert ran.code == 0, ran.err
        assert (bare / "out").read_bytes() == (bare / case["input"]).read_bytes(), case["name"]


def pictures() -> dict[str, bytes]:
    """Image files of every kind that the runner reads."""
    generator = np.random.default_rng(1)
    image = noise(90, 70, generator)
    alpha = Image.fromarray(generator.integers(0, 256, (70, 90, 4)).astype(np.uint8))
    deep = Image.fromarray(generator.integers(0, 65536, (70, 90)).astype(np.uint16))
    found = {
        "grey": encoded(image.convert("L")),
        "grey with alpha": encoded(alpha.convert("LA")),
        "alpha": encoded(alpha),
        "palette": encoded(image.quantize(64)),
        "16 bits": encoded(deep),
        "one bit": encoded(image.convert("1")),
        "interlaced": encoded(image, interlace=True),
    }
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        found[f"turned {orientation}"] = encoded(image, exif=exif)
    return found


def test_every_kind_of_png_is_prepared_to_the_bit(bare: Path, runner: Runner) -> None:
    for kind, content in pictures().items():
        found, expected = prepared(runner, bare, content, InputSpec(), (64, 64))
        assert found.tobytes() == expected.tobytes(), kind


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_is_prepared_within_its_gate(orientation: int, bare: Path, runner: Runner) -> None:
    from sklearn.datasets import load_sample_image

    exif = Image.Exif()
    exif[0x0112] = orientation
    photograph = Image.fromarray(load_sample_image("china.jpg"))
    content = encoded(photograph, "JPEG", quality=90, exif=exif)
    found, expected = prepared(runner, bare, content, InputSpec(), (224, 224))
    noise_ratio = 10 * np.log10((expected**2).sum() / ((found - expected) ** 2).sum())
    assert noise_ratio > JPEG_DB


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no known format"),
        (b"GIF89a", "no known format"),
        (encoded(Image.new("RGB", (10_100, 100))), "it is too long"),
        (encoded(Image.new("L", (9500, 9500))), "it has too many pixels"),
        (encoded(Image.new("RGB", (64, 64)))[:60], ""),
    ],
    ids=["empty", "gif", "long", "large", "cut"],
)
def test_an_image_that_cannot_be_read_is_refused(
    content: bytes, why: str, bare: Path, runner: Runner
) -> None:
    (bare / "image").write_bytes(content)
    ran = runner("prepare", bare, bare / "image", bare / "out")
    assert ran.code == 2
    assert f"cannot be read: {why}" in ran.err
