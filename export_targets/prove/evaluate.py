"""``evaluate``: top-1 and top-5 of the reference and the saved file over labelled folders."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from edge_models.errors import InputError
from edge_models.image_folder import spread
from edge_models.image_reading import CropReader
from edge_models.reference.heads import run_eager
from edge_models.registry import named
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.progress import Reporter
from export_targets.prove import programs
from export_targets.prove.labelled import (
    CLASS_ORDERS,
    Classes,
    ClassMapping,
    LabelledImages,
    described,
    labelled_images,
)
from export_targets.prove.outputs import check_classes
from export_targets.runner import runner_named
from export_targets.target import target_named

# Images in memory at once: few at first, so that there is a figure soon. Each time a process of the
# runtime is started, which takes some seconds.
FIRST_IMAGES, MOST_IMAGES = 32, 256

Program = Callable[[Tensor, Callable[[], None]], Tensor]  # pixels and progress -> logits


class Accuracy(BaseModel):
    """One program's accuracy in [0, 1], and how often its top-1 is the reference's."""

    model_config = ConfigDict(frozen=True)

    program: str
    top1: float
    top5: float
    agreement: float


class EvaluationReport(BaseModel):
    """The accuracy of every program of an artifact on the same labelled images.

    ``samples`` were judged, of ``chosen`` among ``found``. ``unreadable`` says which were left out
    and why; ``other_files`` counts by ending what is no image; ``narrow`` the 16-bit images that
    are nearly black. ``interrupted``: by Ctrl-C, before all were judged.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: str = "1.1"
    artifact: str
    images: str
    runner: str
    samples: int
    chosen: int
    found: int
    interrupted: bool
    preprocessing: str
    classes: ClassMapping
    classes_without_images: tuple[str, ...]
    hidden: int
    other_files: dict[str, int]
    unreadable: tuple[str, ...]
    narrow: int
    programs: tuple[Accuracy, ...]


@dataclass(frozen=True)
class Choice:
    """Which images: ``limit`` of them evenly, ``labels`` and ``class_order`` say which class each
    folder is where their names do not; ``strict`` refuses one that cannot be read.
    """

    images: Path
    limit: int | None = None
    labels: Path | None = None
    class_order: str | None = None
    strict: bool = False


@dataclass
class Tally:
    """What one program answered so far."""

    images: int = 0
    top1: int = 0
    top5: int = 0
    agreeing: int = 0

    def add(self, logits: Tensor, reference: Tensor, classes: Tensor) -> None:
        """Logits (images, K) of both programs, and the right classes."""
        ranked = logits.argsort(dim=1, descending=True)
        hits = ranked == classes[:, None]
        self.images += len(classes)
        self.top1 += int(hits[:, :1].sum())
        self.top5 += int(hits[:, :5].sum())
        self.agreeing += int((ranked[:, 0] == reference.argmax(1)).sum())

    def accuracy(self, program: str) -> Accuracy:
        """As shares of the images."""
        return Accuracy(
            program=program,
            top1=self.top1 / self.images,
            top5=self.top5 / self.images,
            agreement=self.agreeing / self.images,
        )


def evaluate(
    folder: Path,
    choice: Choice,
    runner: str | None,
    trust_graphs: bool,
    reporter: Reporter,
    network: programs.Network = None,
) -> EvaluationReport:
    """Run every program of an artifact over ``images/<class>/*``. A report, no gate.

    ``network`` is one's own, where the artifact is of one. Raises InputError.
    A bounded number of images is in memory at a time. Ctrl-C ends it with what was judged.
    """
    artifact = open_artifact(folder)
    manifest = artifact.manifest
    found = _labelled(artifact, choice)
    reference = programs.reference(artifact, network, trust_graphs)
    preprocessing = manifest.input.preprocessing()
    reporter.notes((f"Preprocessing: {preprocessing}", described(found.mapping), *found.notes))
    pairs = chosen_pairs(found, choice.limit, manifest.input.shape[0])
    spec = manifest.input.spec
    reader = CropReader(choice.images, len(pairs), spec, spec.size, choice.strict)
    by = runner or target_named(manifest.target.name).runner
    tallies, interrupted = _judged(
        artifact_programs(artifact, reference, by, trust_graphs),
        chunks(pairs, reader, manifest.input.shape[0]),
        len(pairs),
        reporter,
    )
    for line in reader.notes():
        reporter.note(line)
    return EvaluationReport(
        artifact=manifest.name,
        images=choice.images.name,
        runner=by,
        samples=tallies["reference"].images,
        chosen=len(pairs),
        found=len(found.pairs),
        interrupted=interrupted,
        preprocessing=preprocessing,
        classes=found.mapping,
        classes_without_images=found.empty,
        hidden=found.listed.hidden,
        other_files=dict(found.listed.others),
        unreadable=tuple(reader.unreadable),
        narrow=reader.narrow,
        programs=tuple(tally.accuracy(name) for name, tally in tallies.items()),
    )


def _labelled(artifact: Artifact, choice: Choice) -> LabelledImages:
    if choice.class_order is not None:
        named(dict.fromkeys(CLASS_ORDERS), "order of classes", choice.class_order)
    check_classes(artifact.manifest)
    classes = artifact.manifest.model.classes
    return labelled_images(
        choice.images, Classes(classes, artifact.labels(), choice.labels, choice.class_order)
    )


def _judged(
    run: Mapping[str, Program],
    images: Iterable[tuple[Tensor, Tensor]],
    count: int,
    reporter: Reporter,
) -> tuple[dict[str, Tally], bool]:
    """What each program answered to the chunks, and whether Ctrl-C came before their end."""
    tallies = {name: Tally() for name in run}
    try:
        with reporter.steps(f"Images x {len(run)} programs", count * len(run)) as advance:
            for pixels, classes in images:
                judge(run, pixels, classes, tallies, advance)
    except KeyboardInterrupt:
        if not tallies["reference"].images:
            raise
        return tallies, True
    if not tallies["reference"].images:
        raise InputError(
            "The images that can be read do not fill the artifact's batch.", "Give more of them."
        )
    return tallies, False


def chosen_pairs(
    found: LabelledImages, limit: int | None, batch: int
) -> Sequence[tuple[Path, int]]:
    """``limit`` of the images, evenly. Raises InputError where they do not fill a batch."""
    pairs = found.pairs if limit is None else spread(found.pairs, limit)
    if len(pairs) < batch:
        raise InputError(
            f"{len(pairs)} images do not fill the artifact's batch of {batch}.",
            "Give more images or a higher --limit.",
        )
    return pairs


def artifact_programs(
    artifact: Artifact, reference: programs.Reference, runner: str, trust_graphs: bool
) -> dict[str, Program]:
    """What is reported, by name: the reference first, the saved file last."""
    chosen = runner_named(runner, artifact.manifest.target.name)

    def eagerly(run: Callable[[Tensor], Tensor]) -> Program:
        def program(pixels: Tensor, advance: Callable[[], None]) -> Tensor:
            logits = []
            for sample in programs.normalized(artifact, pixels):
                logits.append(run(sample[None]))
                advance()
            return torch.cat(logits)

        return program

    result = {"reference": eagerly(lambda inputs: run_eager(reference.module, inputs))}
    if trust_graphs:
        result["quantized"] = eagerly(programs.quantized(artifact))
    result["file"] = lambda pixels, advance: chosen.run(
        artifact.model, programs.given(artifact, pixels), advance
    )
    return result


def chunks(
    pairs: Sequence[tuple[Path, int]], reader: CropReader, batch: int
) -> Iterator[tuple[Tensor, Tensor]]:
    """Pixels, uint8 (samples, B, 3, H, W), and the classes of as many images as memory takes. The
    last ones, where they fill no batch, are left out.
    """
    pixels: list[Tensor] = []
    classes: list[int] = []
    wanted = FIRST_IMAGES

    def chunk() -> tuple[Tensor, Tensor]:
        full = len(pixels) // batch * batch
        taken = torch.stack(pixels[:full]).unflatten(0, (-1, batch)), torch.tensor(classes[:full])
        del pixels[:full], classes[:full]
        return taken

    for path, index in pairs:
        crop = reader.read(path)
        if crop is not None:
            pixels.append(crop)
            classes.append(index)
        if len(pixels) >= max(wanted, batch):
            yield chunk()
            wanted = min(2 * wanted, MOST_IMAGES)
    if len(pixels) >= batch:
        yield chunk()


def judge(
    run: Mapping[str, Program],
    pixels: Tensor,
    classes: Tensor,
    tallies: Mapping[str, Tally],
    advance: Callable[[], None],
) -> None:
    """Add what each program answers to its tally. Raises InputError for logits that are none."""

    def step() -> None:  # of a sample: all images of its batch
        for _ in range(pixels.shape[1]):
            advance()

    logits = {name: program(pixels, step) for name, program in run.items()}
    for name, values in logits.items():
        if values.shape != logits["reference"].shape or not values.isfinite().all():
            raise InputError(
                f"The logits of {name} are NaN, infinite or of another shape than the reference's.",
                "Verify the artifact, or build it again.",
            )
    scores = {name: one_head(values, len(classes)) for name, values in logits.items()}
    for name, values in scores.items():
        tallies[name].add(values, scores["reference"], classes)


def one_head(logits: Tensor, images: int) -> Tensor:
    """(samples, rows, K) -> (images, K): with both heads, their mean."""
    samples, rows, classes = logits.shape
    heads = samples * rows // images
    return logits.view(samples, heads, -1, classes).mean(dim=1).flatten(0, 1)
