"""``evaluate``: top-1 and top-5 of the reference and the saved file over labelled folders."""

from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.errors import InputError
from edge_models.images import find_images, preprocess_all, read_image
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.progress import Reporter
from export_targets.prove.verify import fresh_logits, given, saved_logits
from export_targets.runner import runner_named
from export_targets.target import target_named


class Accuracy(BaseModel):
    """One program's accuracy in [0, 1], and how often its top-1 is the reference's."""

    model_config = ConfigDict(frozen=True)

    program: str
    top1: float
    top5: float
    agreement: float


class EvaluationReport(BaseModel):
    """The accuracy of every program of an artifact on the same labelled images."""

    model_config = ConfigDict(frozen=True)

    schema_version: str = "1.0"
    artifact: str
    images: str
    samples: int
    programs: tuple[Accuracy, ...]


@dataclass(frozen=True)
class LabelledImages:
    """Model inputs (samples, B, 3, H, W) and the class of each image (samples * B)."""

    inputs: Tensor
    classes: Tensor


def evaluate(
    folder: Path, images: Path, limit: int | None, trust_graphs: bool, reporter: Reporter
) -> EvaluationReport:
    """Run every program of an artifact over ``images/<class>/*``. A report, no gate."""
    artifact = open_artifact(folder)
    with reporter.stage("Images"):
        labelled = read_labelled(artifact, images, limit)
    logits, _ = fresh_logits(artifact, labelled.inputs, trust_graphs, reporter)
    target = artifact.manifest.target.name
    runner = runner_named(target_named(target).runner, target)
    logits["file"] = saved_logits(artifact, runner, given(artifact, labelled.inputs), reporter)
    for name, values in logits.items():
        if values.shape != logits["reference"].shape or not values.isfinite().all():
            raise InputError(
                f"The logits of {name} are NaN, infinite or of another shape than the reference's.",
                "Verify the artifact, or build it again.",
            )
    reported = {name: logits[name] for name in ("reference", "quantized", "file") if name in logits}
    scores = {name: _one_head(values, len(labelled.classes)) for name, values in reported.items()}
    return EvaluationReport(
        artifact=artifact.manifest.name,
        images=images.name,
        samples=len(labelled.classes),
        programs=tuple(
            _accuracy(name, values, scores["reference"], labelled.classes)
            for name, values in scores.items()
        ),
    )


def read_labelled(artifact: Artifact, folder: Path, limit: int | None) -> LabelledImages:
    """Images of ``folder/<class>/``, ``limit`` of them spread evenly over the classes.

    A class's index is its line in the artifact's labels.txt where every folder's name is just one,
    else its place among the sorted folder names, if there are as many as the model has classes.
    Raises InputError.
    """
    names = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    labels = artifact.labels()
    order = labels if names and all(labels.count(name) == 1 for name in names) else names
    pairs = [(path, order.index(name)) for name in names for path in find_images(folder / name)]
    if not pairs:
        raise InputError(
            f"{folder} holds no labelled images.", "Lay them out as one folder a class."
        )
    if len(order) != artifact.manifest.model.classes:
        raise InputError(
            f"{folder} has {len(order)} classes, but the model {artifact.manifest.model.classes}: "
            "which of them they are is not known.",
            "Give a folder for each class, or name them as the lines of the artifact's labels.",
        )
    if limit is not None and limit < len(pairs):
        pairs = [pairs[i * len(pairs) // limit] for i in range(limit)]
    batch, _, height, width = artifact.manifest.input.shape
    if len(pairs) < batch:
        raise InputError(
            f"{len(pairs)} images do not fill the artifact's batch of {batch}.",
            "Give more images or a higher --limit.",
        )
    pairs = pairs[: len(pairs) // batch * batch]
    spec = model_spec(artifact.manifest.model.name).input
    inputs = preprocess_all([read_image(path) for path, _ in pairs], spec, (height, width))
    classes = torch.tensor([index for _, index in pairs])
    return LabelledImages(inputs.unflatten(0, (-1, batch)), classes)


def _one_head(logits: Tensor, images: int) -> Tensor:
    """(samples, rows, K) -> (images, K): with both heads, their mean."""
    samples, rows, classes = logits.shape
    heads = samples * rows // images
    return logits.view(samples, heads, -1, classes).mean(dim=1).flatten(0, 1)


def _accuracy(name: str, logits: Tensor, reference: Tensor, classes: Tensor) -> Accuracy:
    ranked = logits.argsort(dim=1, descending=True)
    hits = ranked == classes[:, None]
    return Accuracy(
        program=name,
        top1=hits[:, :1].any(1).double().mean().item(),
        top5=hits[:, :5].any(1).double().mean().item(),
        agreement=(ranked[:, 0] == reference.argmax(1)).double().mean().item(),
    )
