"""Chunks of images judged on a Ray cluster, which does those of a lost node again."""

import io
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edge_models.errors import InputError, RunnerError
from edge_models.image_folder import is_address
from export_targets.prove.accuracy import Judged
from export_targets.prove.judge import Answer, Chunk, Judge, Task, resident_judge
from export_targets.workers import cluster

PACKAGES = ("edgeform", "torch", "executorch")  # the same on every node, for the same results
RETRIES = 3  # of a chunk whose process or node was lost


def judged_on_ray(
    task: Task, chunks: Mapping[int, Chunk], on: str, advance: Callable[[], None]
) -> Iterator[Answer]:
    """The answers to chunks by their number, in the order in which they are ready. The images are
    read where they are judged: their paths must be the same on every node. Raises InputError
    without Ray or for a node with other versions, RunnerError for a chunk that cannot be judged.
    """
    ray = cluster(on)
    artifact, ours = ray.put(_packed(task.artifact)), _versions()
    remote = ray.remote(num_cpus=1, max_retries=RETRIES)(judge_chunk)
    absolute = task.model_copy(update={"folder": _everywhere(task.folder)})
    pending = {
        remote.remote(artifact, absolute, _absolute(chunk), ours): (number, chunk)
        for number, chunk in chunks.items()
    }
    try:
        while pending:
            (ready, *_), _ = ray.wait(list(pending))
            number, chunk = pending.pop(ready)
            try:
                judged, steps = ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from error
            except ray.exceptions.RayError as error:
                raise RunnerError(_lost(chunk, error)) from error
            for _ in range(steps):
                advance()
            yield number, judged
    finally:
        for reference in pending:
            ray.cancel(reference, force=True)


def judge_chunk(
    packed: bytes, task: Task, chunk: Chunk, versions: Mapping[str, str]
) -> tuple[Judged, int]:
    """On a node: what is answered to some images, and in how many steps."""
    steps: list[None] = []
    if versions != (here := _versions()):
        raise InputError(
            f"A node of the cluster has {here}, this machine {dict(versions)}.",
            "Install the same versions on every node.",
        )
    judged = _judge(packed, task)(chunk, lambda: steps.append(None))
    return judged, len(steps)


@cache
def _judge(packed: bytes, task: Task) -> Judge:
    """One for a process: it holds the reference and the file from one chunk to the next."""
    folder = tempfile.mkdtemp(prefix="edgeform-")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    return resident_judge(task.model_copy(update={"artifact": Path(folder)}))


def _packed(folder: Path) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder))
    return content.getvalue()


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def _absolute(chunk: Chunk) -> list[tuple[str, int]]:
    return [(_everywhere(path), label) for path, label in chunk]


def _everywhere(path: str) -> str:
    """A path or address as every node understands it."""
    return path if is_address(path) else str(Path(path).resolve())


def _lost(chunk: Chunk, error: Any) -> str:
    return f"the images {chunk[0][0]} to {chunk[-1][0]} could not be judged on Ray: {error}"
