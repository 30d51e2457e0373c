"""What an evaluation has judged so far, beside the artifact: it can go on after Ctrl-C."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from edge_models.image_folder import is_address
from export_targets.prove.accuracy import Judged
from export_targets.prove.judge import Chunk, Task


class Entry(BaseModel):
    """A chunk by its number, and what was answered to it."""

    model_config = ConfigDict(frozen=True)

    chunk: int
    judged: Judged


@dataclass(frozen=True)
class Journal:
    """A file of entries, whose name is of what they are true for."""

    path: Path

    def read(self) -> dict[int, Judged]:
        """The entries; a line that was cut ends them."""
        entries: dict[int, Judged] = {}
        if not self.path.exists():
            return entries
        for line in self.path.read_text(encoding="utf-8").splitlines():
            try:
                entry = Entry.model_validate_json(line)
            except ValidationError:
                break
            entries[entry.chunk] = entry.judged
        return entries

    def write(self, entries: Mapping[int, Judged]) -> None:
        """Begin the file anew with some entries."""
        self.path.unlink(missing_ok=True)
        for number, judged in entries.items():
            self.add(number, judged)

    def add(self, number: int, judged: Judged) -> None:
        """One entry more, on the disk when this returns."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(Entry(chunk=number, judged=judged).model_dump_json() + "\n")
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """All was judged."""
        self.path.unlink(missing_ok=True)


def journal_of(task: Task, digests: Mapping[str, str], chunks: Mapping[int, Chunk]) -> Journal:
    """The journal of an artifact's files by their digests, a runner and the images, each with its
    class, size and time of change: another for whatever differs.
    """
    images = [(path, label, *_state(path)) for chunk in chunks.values() for path, label in chunk]
    of = json.dumps([task.model_dump(mode="json"), dict(digests), images])
    name = hashlib.sha256(of.encode()).hexdigest()[:12]
    return Journal(task.artifact.with_name(f"{task.artifact.name}.evaluation-{name}.jsonl"))


def _state(path: str) -> tuple[int, int]:
    """A file's size and time of change; zeros for one that went away, or at an address, where
    each question takes a while.
    """
    if is_address(path):
        return (0, 0)
    try:
        stat = Path(path).stat()
    except OSError:
        return (0, 0)
    return (stat.st_size, stat.st_mtime_ns)
