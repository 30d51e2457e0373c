"""Calibration images: from a folder, synthetic, or the digits of the embedded models."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from edge_models.digits import digits
from edge_models.errors import InputError
from edge_models.images import find_images, read_image
from edge_models.photographs import photographs, views
from edge_models.spec import ModelSpec

SYNTHETIC = "synthetic"
DEFAULT_SAMPLES = 128
UNREADABLE_SHARE = 0.1  # of a folder's images; more is an error
SYNTHETIC_SIDE = 256


@dataclass(frozen=True)
class Images:
    """Decoded RGB images and where they came from."""

    source: str
    images: tuple[Image.Image, ...]
    unreadable: tuple[str, ...] = ()

    def sha256(self) -> str:
        """Digest of the decoded pixels in their order."""
        digest = hashlib.sha256()
        for image in self.images:
            digest.update(repr(image.size).encode())
            digest.update(image.tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageSets:
    """What a build looks at. ``golden`` images are never in ``calibration``."""

    calibration: Images | None
    golden: Images


def image_sets(
    spec: ModelSpec,
    source: str | None,
    samples: int,
    golden: int,
    seed: int,
    progress: Callable[[], None],
) -> ImageSets:
    """Choose calibration and golden images.

    ``source`` is a folder, "synthetic", or None. A folder that has enough images gives the golden
    ones too; else they are the model's own (digits held out) or photographs from scikit-learn.
    ``progress`` is called for each image read. Raises InputError for a folder that cannot serve.
    """
    own = _own_images(spec, golden)
    if source == SYNTHETIC:
        return ImageSets(Images(SYNTHETIC, synthetic(samples, seed)), own)
    if source is not None:
        return _from_folder(Path(source), samples, golden, seed, own, progress)
    if spec.embedded is None:
        return ImageSets(None, own)
    images, _ = digits("train")
    order = np.random.default_rng(seed).permutation(len(images))[:samples]
    chosen = tuple(images[i] for i in order)
    return ImageSets(Images("digits of scikit-learn, training split", chosen), own)


def synthetic(count: int, seed: int) -> tuple[Image.Image, ...]:
    """Seeded colour noise whose amplitude falls as 1 / frequency, as in photographs."""
    generator = np.random.default_rng(seed)
    side = SYNTHETIC_SIDE
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(side), np.fft.rfftfreq(side), indexing="ij"))
    frequency[0, 0] = np.inf  # no constant part
    images = []
    for _ in range(count):
        spectrum = np.fft.rfft2(generator.standard_normal((3, side, side))) / frequency
        field = np.fft.irfft2(spectrum, s=(side, side))
        field[1:] = 0.5 * field[:1] + 0.5 * field[1:]  # channels of a photograph go together
        contrast, brightness = generator.uniform(30, 80), generator.uniform(70, 180)
        pixels = field / field.std() * contrast + brightness
        pixels = pixels.clip(0, 255).round().astype(np.uint8)
        images.append(Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))))
    return tuple(images)


def _own_images(spec: ModelSpec, count: int) -> Images:
    if spec.embedded is not None:
        images, _ = digits("held_out")
        return Images("digits of scikit-learn, held-out split", tuple(images[:count]))
    return Images("views of scikit-learn's photographs", tuple(views(photographs(), count)))


def _from_folder(
    folder: Path,
    samples: int,
    golden: int,
    seed: int,
    own: Images,
    progress: Callable[[], None],
) -> ImageSets:
    if not folder.is_dir():
        raise InputError(
            f"There is no calibration folder {folder}.",
            f"Give a folder of images, or say --calibration {SYNTHETIC}.",
        )
    paths = find_images(folder)
    if not paths:
        raise InputError(
            f"The calibration folder {folder} holds no images.",
            "Put some hundred images of the kind the model will see there; JPEG or PNG.",
        )
    order = np.random.default_rng(seed).permutation(len(paths))
    held_out = golden if len(paths) >= 2 * golden else 0
    chosen = [paths[i] for i in order[: samples + held_out]]
    images: list[Image.Image] = []
    unreadable: list[str] = []
    for path in chosen:
        try:
            images.append(read_image(path))
        except InputError as error:
            unreadable.append(error.what)
        progress()
    if len(unreadable) > UNREADABLE_SHARE * len(chosen):
        raise InputError(
            f"{len(unreadable)} of {len(chosen)} images of {folder} cannot be read; "
            f"the first: {unreadable[0]}",
            "Remove or replace the broken files.",
        )
    gate = tuple(images[:held_out])
    source = f"folder {folder.name}"
    calibration = Images(source, tuple(images[held_out:]), tuple(unreadable))
    return ImageSets(calibration, Images(f"{source}, not calibrated on", gate) if gate else own)
