"""Images to agree on, or with labels: half for the search, half to judge what it found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from edge_models.digits import digits
from edge_models.errors import InputError
from edge_models.images import crops
from export_targets.plan import Plan
from export_targets.progress import Reporter
from export_targets.prove.labelled import Classes, described, labelled_images
from export_targets.prove.verify import images_below, read_evenly
from quantize.calibration import HELD_OUT, Images

MOST_IMAGES, FEWEST_IMAGES = 2048, 32


@dataclass(frozen=True)
class Half:
    """uint8 (samples, B, 3, H, W), and, where labels are asked for, the classes (samples, B)."""

    pixels: Tensor
    classes: Tensor | None

    @property
    def images(self) -> int:
        """How many there are."""
        return self.pixels.shape[:2].numel()


@dataclass(frozen=True)
class Halves:
    """Different images each, and where they came from."""

    searched: Half
    judged: Half
    source: str


@dataclass(frozen=True)
class _Read:
    crops: Sequence[Tensor]
    source: str
    classes: Sequence[int] | None = None


def to_agree_on(
    plan: Plan,
    classes: int,
    labels: Sequence[str],
    calibration: Images | None,
    reporter: Reporter,
) -> Halves | None:
    """The images of a build's search, None where it has none; ``classes`` and ``labels`` are the
    model's.
    """
    if plan.goal is None:
        return None
    of_classes = Classes(classes, labels, _labels_file(plan), plan.request.class_order)
    return halves(plan, of_classes, calibration, reporter)


def halves(plan: Plan, classes: Classes, calibration: Images | None, reporter: Reporter) -> Halves:
    """The images of ``--images``, or the held-out digits of a model of them, but for those that are
    calibrated on. Raises InputError where there are too few, or a class that is asked for is not
    known.
    """
    found = _read(plan, classes, reporter)
    seen = set(map(_content, [] if calibration is None else calibration.crops))
    unseen = [index for index, crop in enumerate(found.crops) if _content(crop) not in seen]
    left_out = len(found.crops) - len(unseen)
    if left_out:
        reporter.note(f"{found.source}: {left_out} are calibrated on and left out")
    batch = plan.request.batch
    if len(unseen) < max(FEWEST_IMAGES, 2 * batch):
        raise InputError(
            f"{len(unseen)} images that are not calibrated on are too few to agree on.",
            f"Give --images a folder of {FEWEST_IMAGES} at least; 1,000 can tell 99.5 % from 100.",
        )
    searched, judged = (_half(found, unseen[part::2], batch) for part in (0, 1))
    return Halves(searched, judged, found.source)


def _half(found: _Read, chosen: Sequence[int], batch: int) -> Half:
    whole = chosen[: len(chosen) // batch * batch]
    pixels = torch.stack([found.crops[index] for index in whole]).unflatten(0, (-1, batch))
    if found.classes is None:
        return Half(pixels, None)
    return Half(pixels, torch.tensor([found.classes[index] for index in whole]).view(-1, batch))


def _labels_file(plan: Plan) -> Path | None:
    """The file of the labels, which may say what their folders are called; an order goes before."""
    file = plan.request.labels
    return None if file is None or plan.request.class_order is not None else Path(file)


def _read(plan: Plan, classes: Classes, reporter: Reporter) -> _Read:
    request, spec = plan.request, plan.spec
    labelled = plan.goal is not None and plan.goal.kind == "top1_drop"
    if request.images is None:
        images, digit = digits("held_out")
        pixels = list(crops(images, spec.input, plan.size))
        return _Read(pixels, HELD_OUT, digit if labelled else None)
    folder, exact = Path(request.images), replace(spec.input, size=plan.size)
    if not labelled:
        paths, of = images_below(folder, reporter), None
    else:
        found = labelled_images(folder, classes)
        reporter.notes((described(found.mapping), *found.notes))
        paths, of = found.listed.paths, dict(found.pairs)
    read, source = read_evenly(folder, paths, MOST_IMAGES, 1, exact, request.strict, reporter)
    return _Read([*read.values()], source, None if of is None else [of[path] for path in read])


def _content(crop: Tensor) -> bytes:
    return crop.numpy().tobytes()
