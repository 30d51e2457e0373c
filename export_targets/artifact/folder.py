"""The artifact folder: its files, read only after their digests were checked."""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, Self, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor

from edge_models.errors import InputError
from edge_models.parity import ParityReport
from export_targets.artifact.label_file import read_lines
from export_targets.artifact.manifest import SCHEMA_VERSION, FileEntry, Manifest, to_json

MANIFEST = "manifest.json"
LABELS = "labels.txt"
PARITY = "parity.json"
SENSITIVITY = "sensitivity.json"
REFERENCE = "evidence/reference.safetensors"
REFERENCE_PROGRAM = "evidence/reference.pt2"  # of a network of one's own, in FP32
LOWERED = "evidence/lowered.pt2"
OPERATORS = "evidence/operators.json"
GOLDEN = "golden"
# The programs whose logits stand beside the inputs, and how their files are named. "quantized" is
# what was lowered: where a recipe changes no numbers, the edge form.
PROGRAMS = {"reference": "reference", "edge": "edge", "quantized": "lowered", "file": "expected"}
MAX_MANIFEST_BYTES = 16 * 2**20
REWRITTEN = (MANIFEST, PARITY, SENSITIVITY)  # not listed in the manifest's files, nor is latency/


class OfArtifact(Protocol):
    """A report that says by its name which artifact it is of."""

    @property
    def artifact(self) -> str: ...

    @classmethod
    def model_validate_json(cls, json_data: str) -> Self: ...


Report = TypeVar("Report", bound=OfArtifact)


@dataclass(frozen=True)
class Artifact:
    """An artifact whose manifest is valid and whose files have the manifest's digests."""

    folder: Path
    manifest: Manifest

    @property
    def model(self) -> Path:
        """The model file or package."""
        for entry in self.manifest.files:
            if entry.deploy and entry.path != LABELS:
                return self.folder / PurePosixPath(entry.path).parts[0]
        raise InputError(
            f"The manifest of {self.folder} deploys no model among its files.",
            "Build the artifact again.",
        )

    def lists(self, relative: str) -> bool:
        """Whether the manifest lists a file."""
        return any(entry.path == relative for entry in self.manifest.files)

    def path(self, relative: str) -> Path:
        """A file that the manifest lists: its digest was checked. Raises InputError for others."""
        if not self.lists(relative):
            raise InputError(
                f"The manifest of {self.folder} does not list {relative} among its files.",
                "Build the artifact again.",
            )
        return inside(self.folder, relative)

    def inputs(self) -> Tensor:
        """Golden inputs, (samples, B, 3, H, W)."""
        shape = self.manifest.input.shape
        return torch.stack([self._floats(f"input_{i}", shape) for i in self._samples()])

    def logits(self, program: str) -> Tensor:
        """A program's logits on the golden inputs, (samples, rows, classes)."""
        batch, classes = self.manifest.output.shape
        heads = 2 if self.manifest.output.heads == "both" else 1
        shape = (batch * heads, classes)
        return torch.stack(
            [self._floats(f"{PROGRAMS[program]}_{i}", shape) for i in self._samples()]
        )

    def labels(self) -> list[str]:
        """Class names in order; empty where they are not known."""
        if not self.lists(LABELS):
            return []
        labels = read_lines(self.path(LABELS))
        if len(labels) != self.manifest.model.classes:
            raise InputError(
                f"{LABELS} of {self.folder} has {len(labels)} lines, but the model "
                f"{self.manifest.model.classes} classes.",
                "Build the artifact again.",
            )
        return labels

    def _samples(self) -> range:
        return range(self.manifest.golden.samples)

    def _floats(self, name: str, shape: Sequence[int]) -> Tensor:
        path = self.path(f"{GOLDEN}/{name}.f32")
        size, expected = path.stat().st_size, 4 * math.prod(shape)
        if size != expected:
            raise InputError(
                f"The golden file {path} holds {size} bytes, not {expected}.",
                "Build the artifact again.",
            )
        return torch.from_numpy(np.fromfile(path, dtype="<f4")).reshape(*shape)


def open_artifact(folder: Path) -> Artifact:
    """Read and check an artifact. Raises InputError that names what is wrong with it."""
    if not folder.exists() and folder.name and old_of(folder).is_dir():
        folder = old_of(folder)
    manifest = read_manifest(folder)
    for entry in manifest.files:
        _check_file(folder, entry)
    return Artifact(folder, manifest)


def old_of(folder: Path) -> Path:
    """Where an artifact stands while another takes its name on a system that cannot exchange
    folders in one step. A build that is killed in between leaves it there.
    """
    return folder.with_name(f".{folder.name}.old")


def _check_file(folder: Path, entry: FileEntry) -> None:
    path = inside(folder, entry.path)
    try:
        present = path.is_file()
        intact = present and path.stat().st_size == entry.bytes and digest(path) == entry.sha256
    except OSError as error:
        raise InputError(
            f"The file {entry.path} of the artifact {folder} cannot be read: {error.strerror}.",
            "Check its rights, or build the artifact again.",
        ) from error
    if not present:
        raise InputError(f"The artifact {folder} lacks {entry.path}.", "Copy or build it again.")
    if not intact:
        raise InputError(
            f"The file {entry.path} of the artifact {folder} is not the one that was built "
            "(its digest differs).",
            "Copy or build the artifact again.",
        )


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact folder, validated. Raises InputError."""
    path = inside(folder, MANIFEST)
    if not path.is_file():
        raise InputError(f"{folder} is not an artifact: it has no {MANIFEST}.", "Check the path.")
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"it has more than {MAX_MANIFEST_BYTES} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
        version = str(content["schema_version"])
        if int(version.split(".")[0]) > int(SCHEMA_VERSION.split(".")[0]):
            raise InputError(
                f"The manifest of {folder} has schema version {version}; this program reads up to "
                f"{SCHEMA_VERSION}.",
                "Use a newer edgeform.",
            )
        return Manifest.model_validate(content)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OSError) as error:
        raise InputError(
            f"The manifest of {folder} is damaged: {first_problem(error)}",
            "Build the artifact again.",
        ) from error


def inside(folder: Path, relative: str) -> Path:
    """A path of the manifest below the artifact. Raises InputError where it leads outside."""
    pure = PurePosixPath(relative)
    path = folder / pure
    leaves = pure.is_absolute() or ".." in pure.parts or "\\" in relative or not pure.parts
    try:
        leaves = leaves or not path.resolve().is_relative_to(folder.resolve())
    except (ValueError, RuntimeError):  # a null byte in the name; links in a circle
        leaves = True
    if leaves:
        raise InputError(
            f"The artifact {folder} names {relative!r}, which leads outside it.",
            "Do not use this artifact: it was tampered with.",
        )
    return path


def digest(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_entries(folder: Path, deployed: Sequence[str]) -> tuple[FileEntry, ...]:
    """The manifest's entries for all files below a folder; ``deployed`` are top-level names."""
    entries = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        relative = path.relative_to(folder).as_posix()
        if relative in REWRITTEN or relative.startswith("latency/"):
            continue
        entries.append(
            FileEntry(
                path=relative,
                bytes=path.stat().st_size,
                sha256=digest(path),
                deploy=PurePosixPath(relative).parts[0] in deployed,
            )
        )
    return tuple(entries)


def write_floats(folder: Path, name: str, samples: Tensor) -> None:
    """Write one raw little-endian float32 file a sample."""
    (folder / GOLDEN).mkdir(exist_ok=True)
    for index, sample in enumerate(samples):
        numbers = sample.detach().numpy().astype("<f4").tobytes()
        (folder / GOLDEN / f"{name}_{index}.f32").write_bytes(numbers)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``."""
    content = to_json(manifest.model_dump(mode="json"))
    (folder / MANIFEST).write_text(content, encoding="utf-8")


def write_parity(folder: Path, report: ParityReport) -> None:
    """Write ``parity.json`` beside the manifest."""
    write_report(folder, PARITY, report)


def write_report(folder: Path, name: str, report: BaseModel) -> None:
    """Write a report beside the manifest, replacing the old one in one step."""
    temporary = folder / f".{name}"
    temporary.write_text(to_json(report.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    temporary.replace(folder / name)


def read_parity(folder: Path, manifest: Manifest) -> ParityReport | None:
    """An artifact's parity report, None where it was never verified. Raises InputError for one
    that is damaged or of another artifact.
    """
    return read_report(folder, manifest, PARITY, ParityReport, "Build it again.")


def read_report(
    folder: Path, manifest: Manifest, name: str, kind: type[Report], remedy: str
) -> Report | None:
    """A report beside the manifest, None where there is none. Raises InputError for one that is
    damaged or of another artifact.
    """
    path = inside(folder, name)
    if not path.is_file():
        return None
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError(f"it has more than {MAX_MANIFEST_BYTES} bytes")
        report = kind.model_validate_json(path.read_text(encoding="utf-8"))
        if report.artifact != manifest.name:
            raise ValueError(f"it is of {report.artifact}, not of {manifest.name}")
    except (ValueError, OSError) as error:
        raise InputError(f"The report {path} is damaged: {first_problem(error)}", remedy) from error
    return report


def first_problem(error: Exception) -> str:
    """One line of what a reader found, with the field that it is about."""
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return (str(error).splitlines() or [type(error).__name__])[0]
