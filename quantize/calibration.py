"""Calibration images: from a folder, synthetic, or the digits of the embedded models."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from edge_models.digits import digits
from edge_models.errors import InputError
from edge_models.image_folder import list_images
from edge_models.image_reading import CropReader
from edge_models.images import crops
from edge_models.photographs import photographs, views
from edge_models.spec import ModelSpec, Size

SYNTHETIC = "synthetic"
HELD_OUT = "digits of scikit-learn, held-out split"
DEFAULT_SAMPLES = 128
SYNTHETIC_SIDE = 256


@dataclass(frozen=True)
class Images:
    """Images as a model's crops, uint8 (N, 3, H, W), and where they came from. ``notes`` are what
    the user should know of them; ``unreadable`` counts those that were left out.
    """

    source: str
    crops: Tensor
    notes: tuple[str, ...] = ()
    unreadable: int = 0

    def sha256(self) -> str:
        """Digest of the pixels in their order."""
        digest = hashlib.sha256(repr(tuple(self.crops.shape)).encode())
        digest.update(self.crops.numpy().tobytes())
        return digest.hexdigest()


@dataclass(frozen=True)
class ImageSets:
    """What a build looks at. No image in ``judged`` is in ``calibration``; the first ones of them
    are the golden images.
    """

    calibration: Images | None
    judged: Images


@dataclass(frozen=True)
class Wanted:
    """How many images of which size (H, W), by which seed. ``golden``, which the artifact keeps,
    are among those that are ``judged``. ``strict``: one that cannot be read is refused.
    ``folder_golden``: whether a folder's images may be golden ones.
    """

    size: Size
    calibration: int
    golden: int
    judged: int
    seed: int
    strict: bool = False
    folder_golden: bool = True


def image_sets(
    spec: ModelSpec, source: str | None, wanted: Wanted, progress: Callable[[], None]
) -> ImageSets:
    """Choose the images that calibrate and those that judge.

    ``source`` is a folder, "synthetic", or None. A folder that has enough images gives the golden
    ones too, and of what then is left beside the calibration the others that judge; else they are
    the model's own (digits held out) or photographs from scikit-learn. ``progress`` is called for
    each image read. Raises InputError for a folder that cannot serve.
    """
    if source == SYNTHETIC:
        drawn = synthetic(wanted.calibration, wanted.seed)
        return ImageSets(_cropped(SYNTHETIC, drawn, spec, wanted), own_images(spec, wanted))
    if source is not None:
        return _from_folder(Path(source), spec, wanted, progress)
    if not spec.digits:
        return ImageSets(None, own_images(spec, wanted))
    images, _ = digits("train")
    order = np.random.default_rng(wanted.seed).permutation(len(images))[: wanted.calibration]
    chosen = [images[i] for i in order]
    training = _cropped("digits of scikit-learn, training split", chosen, spec, wanted)
    return ImageSets(training, own_images(spec, wanted))


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


def own_images(spec: ModelSpec, wanted: Wanted) -> Images:
    """The images that the product has for a model by itself, to judge a build."""
    if spec.digits:
        images, _ = digits("held_out")
        return _cropped(HELD_OUT, images[: wanted.judged], spec, wanted)
    taken = views(photographs(), wanted.judged)
    return _cropped("views of scikit-learn's photographs", taken, spec, wanted)


def _cropped(source: str, images: Iterable[Image.Image], spec: ModelSpec, wanted: Wanted) -> Images:
    return Images(source, crops(images, spec.input, wanted.size))


def _from_folder(
    folder: Path, spec: ModelSpec, wanted: Wanted, progress: Callable[[], None]
) -> ImageSets:
    if not folder.is_dir():
        raise InputError(
            f"There is no calibration folder {folder}.",
            f"Give a folder of images, or say --calibration {SYNTHETIC}.",
        )
    listed = list_images(folder)
    if not listed.paths:
        raise InputError(
            f"The calibration folder {folder} holds no images.",
            "Put some hundred images of the kind the model will see there; JPEG or PNG.",
        )
    order = np.random.default_rng(wanted.seed).permutation(len(listed.paths))
    shares = wanted.folder_golden and len(listed.paths) >= 2 * wanted.golden
    golden = wanted.golden if shares else 0
    more = wanted.judged - golden if shares else 0
    chosen = [listed.paths[i] for i in order[: golden + wanted.calibration + more]]
    reader = CropReader(folder, len(chosen), spec.input, wanted.size, wanted.strict)
    read = reader.read_all(chosen, progress)
    source = f"folder {folder.name}"
    notes = (*listed.notes(folder.name), *reader.notes())
    kept, rest = read[:golden], read[golden : golden + wanted.calibration]
    judged = kept + read[golden + wanted.calibration :]
    if kept:
        said = (
            f"{folder.name}: {len(kept)} photographs are stored in the artifact as golden images, "
        )
        notes += (f"{said}shown in its report and copied to a phone; --no-golden-images: none",)
    calibration = Images(source, _stacked(rest, wanted.size), notes, len(reader.unreadable))
    if not kept:
        return ImageSets(calibration, own_images(spec, wanted))
    return ImageSets(calibration, Images(f"{source}, not calibrated on", torch.stack(judged)))


def _stacked(read: list[Tensor], size: Size) -> Tensor:
    return torch.stack(read) if read else torch.empty(0, 3, *size, dtype=torch.uint8)
