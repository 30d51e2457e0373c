"""The images of a learning: some to learn from, some to see whether it helps, some to judge."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from edge_models.digits import digits
from edge_models.errors import InputError
from edge_models.images import crops
from export_targets.adapt.learning import BATCH
from export_targets.plan import Plan
from export_targets.progress import Reporter
from export_targets.prove.verify import images_below, read_evenly

MOST_IMAGES, FEWEST_IMAGES = 1024, 64


@dataclass(frozen=True)
class Parts:
    """Different images each, whole batches of uint8 (N, 3, H, W), and where they came from."""

    learned: Tensor
    held_out: Tensor
    judged: Tensor
    source: str

    @property
    def images(self) -> tuple[Tensor, Tensor, Tensor]:
        """The three of them."""
        return self.learned, self.held_out, self.judged

    def sha256(self) -> str:
        """Digest of those that the weights depend on."""
        digest = hashlib.sha256(self.learned.numpy().tobytes())
        digest.update(self.held_out.numpy().tobytes())
        return digest.hexdigest()


def parts_of(plan: Plan, images: str | Path | None, reporter: Reporter) -> Parts:
    """Half of a folder's images to learn from and a quarter for each of the others, or the digits
    of a model of them. Raises InputError where there are too few.
    """
    exact = replace(plan.spec.input, size=plan.size)
    if images is None:
        train, held_out = (crops(digits(s)[0], exact, plan.size) for s in ("train", "held_out"))
        return _parts(train, held_out[0::2], held_out[1::2], "digits of scikit-learn")
    folder, strict = Path(images), plan.request.strict
    paths = images_below(folder, reporter)
    read, source = read_evenly(folder, paths, MOST_IMAGES, 1, exact, strict, reporter)
    different = [*{crop.numpy().tobytes(): crop for crop in read.values()}.values()]
    if len(different) < FEWEST_IMAGES:
        raise InputError(
            f"{len(different)} different images are too few to learn from.",
            f"Give --images a folder of {FEWEST_IMAGES} at least; 1,000 are better.",
        )
    all_of = torch.stack(different)
    return _parts(all_of[0::2], all_of[1::4], all_of[3::4], source)


def _parts(learned: Tensor, held_out: Tensor, judged: Tensor, source: str) -> Parts:
    learned, held_out, judged = (
        part[: len(part) // BATCH * BATCH] for part in (learned, held_out, judged)
    )
    return Parts(learned, held_out, judged, source)
