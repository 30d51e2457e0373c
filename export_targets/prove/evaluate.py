"""``evaluate``: top-1 and top-5 of the reference and the saved file over labelled folders."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from edge_models.errors import InputError
from edge_models.image_folder import path_at, spread
from edge_models.image_reading import check_unreadable, reading_notes
from edge_models.own_network import Network
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.progress import Reporter
from export_targets.prove.accuracy import Accuracy, Judged, accuracies
from export_targets.prove.journal import journal_of
from export_targets.prove.judge import Answer, Chunk, Judge, Task
from export_targets.prove.judge_processes import judged_by_processes
from export_targets.prove.labelled import (
    Classes,
    ClassMapping,
    LabelledImages,
    described,
    labelled_images,
)
from export_targets.prove.outputs import check_classes
from export_targets.runner import runner_named
from export_targets.target import target_named
from export_targets.workers import cores

# Images that are judged together, whoever judges them: what a process has in memory, and what is
# lost when it dies.
CHUNK = 64


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
    """Which images: of a folder, also at an address (``path_at``). ``limit`` of them evenly;
    ``labels`` and ``class_order`` say which class each folder is where their names do not;
    ``strict`` refuses one that cannot be read.
    """

    images: Path
    limit: int | None = None
    labels: Path | None = None
    class_order: str | None = None
    strict: bool = False


@dataclass(frozen=True)
class Work:
    """Who judges: ``workers`` processes (None: one for each core), or Ray with
    ``on="ray"``; ``resume`` goes on where an evaluation of the same files was left.
    """

    workers: int | None = None
    on: str | None = None
    resume: bool = False


def evaluate(
    folder: Path,
    choice: Choice,
    runner: str | None,
    trust_graphs: bool,
    reporter: Reporter,
    network: Network = None,
    work: Work = Work(),
) -> EvaluationReport:
    """Run every program of an artifact over ``images/<class>/*``. A report, no gate.

    ``network`` is one's own, where the artifact is of one. Raises InputError.
    A bounded number of images is in memory at a time. Ctrl-C ends it with what was judged.
    """
    artifact = open_artifact(folder)
    manifest = artifact.manifest
    found = _labelled(artifact, choice)
    preprocessing = manifest.input.preprocessing()
    reporter.notes((f"Preprocessing: {preprocessing}", described(found.mapping), *found.notes))
    pairs = chosen_pairs(found, choice.limit, manifest.input.shape[0])
    task = Task(
        artifact=folder,
        runner=runner or target_named(manifest.target.name).runner,
        trust_graphs=trust_graphs,
        network=network if isinstance(network, str) else None,
        folder=str(choice.images),
        total=len(pairs),
        strict=choice.strict,
    )
    parts, interrupted = _judged(artifact, task, network, pairs, work, reporter)
    report = EvaluationReport(
        artifact=manifest.name,
        images=choice.images.name,
        runner=task.runner,
        samples=sum(part.samples for part in parts),
        chosen=len(pairs),
        found=len(found.pairs),
        interrupted=interrupted,
        preprocessing=preprocessing,
        unreadable=tuple(reason for part in parts for reason in part.unreadable),
        narrow=sum(part.narrow for part in parts),
        programs=accuracies(parts),
        **_listing(found),
    )
    reporter.notes(reading_notes(report.unreadable, report.narrow, task.total, choice.images))
    return report


def _listing(found: LabelledImages) -> dict[str, Any]:
    return {
        "classes": found.mapping,
        "classes_without_images": found.empty,
        "hidden": found.listed.hidden,
        "other_files": dict(found.listed.others),
    }


def _labelled(artifact: Artifact, choice: Choice) -> LabelledImages:
    check_classes(artifact.manifest)
    classes = artifact.manifest.model.classes
    return labelled_images(
        choice.images, Classes(classes, artifact.labels(), choice.labels, choice.class_order)
    )


def _judged(
    artifact: Artifact,
    task: Task,
    network: Network,
    pairs: Sequence[tuple[Path, int]],
    work: Work,
    reporter: Reporter,
) -> tuple[list[Judged], bool]:
    """What was answered to the images, in their order, and whether Ctrl-C came before their end."""
    batch = artifact.manifest.input.shape[0]
    chunks = chunked(pairs, batch)
    digests = {entry.path: entry.sha256 for entry in artifact.manifest.files}
    journal = journal_of(task, digests, chunks)
    judged = journal.read() if work.resume else {}
    if work.resume:
        reporter.note(f"Resumed: {len(judged)} of {len(chunks)} chunks of images are judged")
    journal.write(judged)
    left = {number: chunk for number, chunk in chunks.items() if number not in judged}
    programs = 3 if task.trust_graphs else 2
    answers = programs * sum(-(-len(chunk) // batch) for chunk in left.values())
    folder, interrupted = path_at(task.folder), False
    try:
        with reporter.steps(f"Images x {programs} programs", answers) as advance:
            for number, part in _answers(artifact, task, network, left, work, advance):
                judged[number] = part
                journal.add(number, part)
                check_unreadable(
                    [reason for part in judged.values() for reason in part.unreadable],
                    task.total,
                    folder,
                )
    except KeyboardInterrupt:
        if not any(part.samples for part in judged.values()):
            raise
        interrupted = True
        reporter.note("Interrupted; the same command with --resume goes on.")
    else:
        journal.remove()
    return [judged[number] for number in sorted(judged)], interrupted


def _answers(
    artifact: Artifact,
    task: Task,
    network: Network,
    chunks: Mapping[int, Chunk],
    work: Work,
    advance: Callable[[], None],
) -> Iterator[Answer]:
    """By whom the work says; a network that is no file's is only in this process."""
    if network == task.network and work.on is not None:
        from export_targets.prove.judge_on_ray import judged_on_ray

        return judged_on_ray(task, chunks, work.on, advance)
    # a runner that holds no file in a process, as a phone, is asked by one
    loads = runner_named(task.runner, artifact.manifest.target.name).load is not None
    workers = min(work.workers or (cores() if loads else 1), len(chunks))
    # a process beside this one holds the file for all its chunks, where this one loads it for each
    beside = workers > 1 or (loads and len(chunks) > 1)
    if network == task.network and beside:
        return judged_by_processes(task, chunks, workers, advance)
    return _judged_here(artifact, task, network, chunks, advance)


def _judged_here(
    artifact: Artifact,
    task: Task,
    network: Network,
    chunks: Mapping[int, Chunk],
    advance: Callable[[], None],
) -> Iterator[Answer]:
    judge = Judge(task, artifact, resident=False, network=network)
    for number, chunk in chunks.items():
        yield number, judge(chunk, advance)


def chunked(pairs: Sequence[tuple[Path, int]], batch: int) -> dict[int, Chunk]:
    """The images in chunks of whole batches, by number, but for the last one."""
    size = -(-CHUNK // batch) * batch
    return {
        start // size: [(str(path), label) for path, label in pairs[start : start + size]]
        for start in range(0, len(pairs), size)
    }


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
