"""Judges chunks of labelled images: in this process, or as a process of its own, which holds the
reference and the saved file from one chunk to the next and crashes alone.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from edge_models.errors import InputError, RunnerError
from edge_models.image_folder import path_at
from edge_models.image_reading import CropReader
from edge_models.own_network import Network
from edge_models.reference.heads import run_eager
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.prove import programs
from export_targets.prove.accuracy import Hits, Judged, count_hits, one_head
from export_targets.runner import runner_named

STEP = "."  # the line that a process prints for each answer

Program = Callable[[Tensor, Callable[[], None]], Tensor]  # pixels and progress -> logits
Chunk = Sequence[tuple[str, int]]  # images by their path, with their class
Answer = tuple[int, Judged]  # to a chunk by its number


class Task(BaseModel):
    """What is judged: an artifact on a runner, with ``total`` images of a folder, by its path or
    address. ``strict`` refuses an image that cannot be read; ``network`` is the place of one's own,
    where it is of one.
    """

    model_config = ConfigDict(frozen=True)

    artifact: Path
    runner: str
    trust_graphs: bool
    folder: str
    total: int
    strict: bool
    network: str | None = None


class Judge:
    """The programs of an artifact. ``resident``: the saved file is held in this process, where its
    runner can do that. ``network`` is one that is no file's.
    """

    def __init__(
        self, task: Task, artifact: Artifact, resident: bool, network: Network = None
    ) -> None:
        self.task, self.artifact = task, artifact
        self.programs = self._programs(resident, network or task.network)

    def __call__(self, chunk: Chunk, advance: Callable[[], None]) -> Judged:
        """The answers to some images; ``advance`` is called for each batch and program."""
        spec = self.artifact.manifest.input.spec
        folder = path_at(self.task.folder)
        reader = CropReader(folder, self.task.total, spec, spec.size, self.task.strict)
        crops = [(reader.read(path_at(path)), label) for path, label in chunk]
        read = [(crop, label) for crop, label in crops if crop is not None]
        hits = self._hits([crop for crop, _ in read], [label for _, label in read], advance)
        return Judged(
            samples=len(read),
            hits=hits,
            unreadable=tuple(reader.unreadable),
            narrow=reader.narrow,
        )

    def _hits(
        self, crops: Sequence[Tensor], classes: Sequence[int], advance: Callable[[], None]
    ) -> dict[str, Hits]:
        """The last image fills up the last batch; what is answered to it there does not count."""
        if not crops:
            return {}
        count, batch = len(crops), self.artifact.manifest.input.shape[0]
        filled = torch.stack([*crops, *[crops[-1]] * (-count % batch)]).unflatten(0, (-1, batch))
        logits = {
            name: one_head(program(filled, advance), len(filled) * batch)[:count]
            for name, program in self.programs.items()
        }
        return count_hits(logits, torch.tensor(classes))

    def _programs(self, resident: bool, network: Network) -> dict[str, Program]:
        """What is reported, by name: the reference first, the saved file last."""
        artifact = self.artifact
        runner = runner_named(self.task.runner, artifact.manifest.target.name)
        reference = programs.reference(artifact, network, self.task.trust_graphs).module

        def on_images(run: Callable[[Tensor], Tensor]) -> Program:
            normalized = programs.normalized
            return lambda pixels, advance: _one_by_one(run, normalized(artifact, pixels), advance)

        result = {"reference": on_images(lambda inputs: run_eager(reference, inputs))}
        if self.task.trust_graphs:
            result["quantized"] = on_images(programs.quantized(artifact))
        given = programs.given
        if resident and runner.load is not None:
            forward = runner.load(artifact.model)
            result["file"] = lambda pixels, advance: _one_by_one(
                lambda inputs: forward(inputs[0])[None], given(artifact, pixels), advance
            )
        else:
            result["file"] = lambda pixels, advance: runner.run(
                artifact.model, given(artifact, pixels), advance
            )
        return result


def resident_judge(task: Task) -> Judge:
    """One that holds the saved file: for a process of its own."""
    return Judge(task, open_artifact(task.artifact), resident=True)


def _one_by_one(
    run: Callable[[Tensor], Tensor], inputs: Tensor, advance: Callable[[], None]
) -> Tensor:
    logits = []
    for sample in inputs:
        logits.append(run(sample[None]))
        advance()
    return torch.cat(logits)


def main(task: str) -> None:
    """Reads a chunk a line, as JSON, and prints a step for each answer, then the result."""
    results = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a network prints is no result

    def say(line: str) -> None:
        print(line, file=results, flush=True)

    judge: Judge | None = None
    for line in sys.stdin:
        try:
            judge = judge or resident_judge(Task.model_validate_json(task))
            result: dict[str, object] = judge(json.loads(line), lambda: say(STEP)).model_dump()
        except (InputError, RunnerError) as error:
            what = error.what if isinstance(error, InputError) else str(error)
            result = {"error": type(error).__name__, "what": what, "remedy": error.remedy}
        except SystemExit as refusal:  # an interpreter's
            result = {"error": RunnerError.__name__, "what": str(refusal), "remedy": ""}
        say(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1])
