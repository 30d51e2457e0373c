"""``classify``: the most probable classes of photographs, as the saved file sees them."""

from collections.abc import Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from edge_models.image_reading import CropReader
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.progress import Reporter
from export_targets.prove import programs
from export_targets.prove.accuracy import one_head
from export_targets.prove.outputs import check_classes
from export_targets.prove.verify import saved_logits
from export_targets.runner import runner_named
from export_targets.target import target_named

TOP = 5
MOST_IMAGES = 256  # in memory at once


class RankedClass(BaseModel):
    """A class by its index, its label where the artifact has labels, and its probability."""

    model_config = ConfigDict(frozen=True)

    index: int
    label: str | None
    probability: float


class Classification(BaseModel):
    """The most probable classes of an image, the first of them the answer."""

    model_config = ConfigDict(frozen=True)

    image: str
    classes: tuple[RankedClass, ...]


def classify(
    folder: Path, images: Sequence[Path], runner: str | None, reporter: Reporter
) -> tuple[Classification, ...]:
    """Run an artifact's saved file on image files. Raises InputError for one that is none,
    RunnerError where the file does not run.
    """
    artifact = open_artifact(folder)
    check_classes(artifact.manifest)
    spec = artifact.manifest.input.spec
    reader = CropReader(folder, len(images), spec, spec.size, strict=True)
    labels = artifact.labels()
    results: list[Classification] = []
    for start in range(0, len(images), MOST_IMAGES):
        part = images[start : start + MOST_IMAGES]
        pixels = torch.stack(reader.read_all(part, lambda: None))
        for path, row in zip(part, _logits(artifact, pixels, runner, reporter), strict=True):
            results.append(Classification(image=str(path), classes=ranked(row, labels)))
    reporter.notes(reader.notes())
    return tuple(results)


def ranked(logits: Tensor, labels: Sequence[str]) -> tuple[RankedClass, ...]:
    """The most probable of the classes, (K)."""
    probabilities, classes = logits.softmax(0).topk(min(TOP, len(logits)))
    return tuple(
        RankedClass(index=index, label=labels[index] if labels else None, probability=probability)
        for index, probability in zip(classes.tolist(), probabilities.tolist(), strict=True)
    )


def _logits(artifact: Artifact, pixels: Tensor, runner: str | None, reporter: Reporter) -> Tensor:
    """(images, K) of pixels (images, 3, H, W); the last image fills up the last batch."""
    target = target_named(artifact.manifest.target.name)
    chosen = runner_named(runner or target.runner, target.name)
    count, batch = len(pixels), artifact.manifest.input.shape[0]
    filled = torch.cat([pixels, pixels[-1:].expand(-count % batch, -1, -1, -1)])
    inputs = programs.given(artifact, filled).unflatten(0, (-1, batch))
    logits = saved_logits(artifact, chosen, inputs, reporter)
    return one_head(logits, len(filled))[:count]
