"""Images to agree on: one half for the search, the other to judge what it found."""

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
from export_targets.prove.verify import read_evenly
from quantize.calibration import Images

MOST_IMAGES, FEWEST_IMAGES = 1024, 32


@dataclass(frozen=True)
class Halves:
    """uint8 (samples, B, 3, H, W) each, of different images, and where they came from."""

    searched: Tensor
    judged: Tensor
    source: str


def to_agree_on(plan: Plan, calibration: Images | None, reporter: Reporter) -> Halves | None:
    """The images of ``--images``, or the held-out digits of a model of them, but for those that are
    calibrated on; None where no agreement is asked for. Raises InputError where there are too few.
    """
    if plan.request.agreement is None:
        return None
    found, source = _read(plan, reporter)
    seen = set(map(_content, [] if calibration is None else calibration.crops))
    unseen = [crop for crop in found if _content(crop) not in seen]
    if len(unseen) < len(found):
        reporter.note(f"{source}: {len(found) - len(unseen)} are calibrated on and left out")
    batch = plan.request.batch
    if len(unseen) < max(FEWEST_IMAGES, 2 * batch):
        raise InputError(
            f"{len(unseen)} images that are not calibrated on are too few to agree on.",
            f"Give --images a folder of {FEWEST_IMAGES} at least; 1,000 can tell 99.5 % from 100.",
        )
    taken = [torch.stack(unseen[part::2]) for part in (0, 1)]
    searched, judged = (
        part[: len(part) // batch * batch].unflatten(0, (-1, batch)) for part in taken
    )
    return Halves(searched, judged, source)


def _read(plan: Plan, reporter: Reporter) -> tuple[Sequence[Tensor], str]:
    request, spec = plan.request, plan.spec
    if request.images is None:
        images, _ = digits("held_out")
        return list(crops(images, spec.input, plan.size)), "digits of scikit-learn, held-out split"
    exact = replace(spec.input, size=plan.size)
    folder = Path(request.images)
    return read_evenly(folder, MOST_IMAGES, 1, exact, request.strict, reporter)


def _content(crop: Tensor) -> bytes:
    return crop.numpy().tobytes()
