"""The artifact folder: written whole or not at all, read only after its digests were checked."""

import ctypes
import hashlib
import json
import math
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from pydantic import ValidationError
from torch import Tensor

from edge_models.errors import InputError
from edge_models.parity import ParityReport
from export_targets.manifest import SCHEMA_VERSION, FileEntry, Manifest, to_json

MANIFEST = "manifest.json"
LABELS = "labels.txt"
PARITY = "parity.json"
REFERENCE = "evidence/reference.safetensors"
LOWERED = "evidence/lowered.pt2"
OPERATORS = "evidence/operators.json"
GOLDEN = "golden"
PROGRAMS = ("reference", "edge", "lowered", "expected")  # whose logits stand beside the inputs
REWRITTEN = (MANIFEST, PARITY)  # not listed in the manifest's files, nor is latency/


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

    def inputs(self) -> Tensor:
        """Golden inputs, (samples, B, 3, H, W)."""
        shape = self.manifest.input.shape
        return torch.stack([self._floats(f"input_{i}", shape) for i in self._samples()])

    def logits(self, program: str) -> Tensor:
        """A program's logits on the golden inputs, (samples, rows, classes)."""
        batch, classes = self.manifest.output.shape
        heads = 2 if self.manifest.output.heads == "both" else 1
        shape = (batch * heads, classes)
        return torch.stack([self._floats(f"{program}_{i}", shape) for i in self._samples()])

    def labels(self) -> list[str]:
        """Class names in order; empty where they are not known."""
        path = self.folder / LABELS
        return path.read_text(encoding="utf-8").splitlines() if path.is_file() else []

    def _samples(self) -> range:
        return range(self.manifest.golden.samples)

    def _floats(self, name: str, shape: Sequence[int]) -> Tensor:
        path = self.folder / GOLDEN / f"{name}.f32"
        values = np.fromfile(path, dtype="<f4")
        expected = math.prod(shape)
        if values.size != expected:
            raise InputError(
                f"The golden file {path} holds {values.size} numbers, not {expected}.",
                "Build the artifact again.",
            )
        return torch.from_numpy(values).reshape(*shape)


def open_artifact(folder: Path) -> Artifact:
    """Read and check an artifact. Raises InputError that names what is wrong with it."""
    manifest = read_manifest(folder)
    for entry in manifest.files:
        path = inside(folder, entry.path)
        if not path.is_file():
            raise InputError(
                f"The artifact {folder} lacks {entry.path}.", "Copy or build it again."
            )
        if path.stat().st_size != entry.bytes or digest(path) != entry.sha256:
            raise InputError(
                f"The file {entry.path} of the artifact {folder} is not the one that was built "
                "(its digest differs).",
                "Copy or build the artifact again.",
            )
    return Artifact(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an artifact folder, validated. Raises InputError."""
    path = folder / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder} is not an artifact: it has no {MANIFEST}.", "Check the path.")
    try:
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
            f"The manifest of {folder} is damaged: {_first(error)}", "Build the artifact again."
        ) from error


def inside(folder: Path, relative: str) -> Path:
    """A path of the manifest below the artifact. Raises InputError where it leads outside."""
    pure = PurePosixPath(relative)
    path = folder / pure
    leaves = pure.is_absolute() or ".." in pure.parts or "\\" in relative or not pure.parts
    if leaves or not path.resolve().is_relative_to(folder.resolve()):
        raise InputError(
            f"The manifest of {folder} names {relative!r}, which leads outside the artifact.",
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


def write_floats(folder: Path, program: str, samples: Tensor) -> None:
    """Write one raw little-endian float32 file a sample."""
    (folder / GOLDEN).mkdir(exist_ok=True)
    for index, sample in enumerate(samples):
        sample.detach().numpy().astype("<f4").tofile(folder / GOLDEN / f"{program}_{index}.f32")


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write ``manifest.json``."""
    content = to_json(manifest.model_dump(mode="json"))
    (folder / MANIFEST).write_text(content, encoding="utf-8")


def write_parity(folder: Path, report: ParityReport) -> None:
    """Write ``parity.json`` beside the manifest, replacing the old one in one step."""
    temporary = folder / f".{PARITY}"
    temporary.write_text(to_json(report.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    temporary.replace(folder / PARITY)


def check_replaceable(out: Path, manifest_identity: dict[str, object], force: bool) -> None:
    """Raises InputError where ``out`` holds something other than this artifact, without force."""
    if force or not out.exists():
        return
    try:
        identity = read_manifest(out).identity
    except InputError as error:
        raise InputError(
            f"{out} exists and is not an artifact of edgeform.",
            "Choose another --out, or say --force to replace it.",
        ) from error
    differing = [key for key, value in manifest_identity.items() if identity.get(key) != value]
    if differing:
        raise InputError(
            f"{out} holds another artifact: its {', '.join(differing)} differ.",
            "Choose another --out, or say --force to replace it.",
        )


@contextmanager
def staging(out: Path) -> Iterator[Path]:
    """A new folder beside ``out`` to build in; removed at the end, whatever happens."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def publish(staged: Path, out: Path) -> None:
    """Put a finished folder at its final name: flushed to disk, then exchanged in one step."""
    for path in staged.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    if not out.exists():
        staged.rename(out)
    elif not _exchange(staged, out):
        replaced = staged.with_name(f"{staged.name}.old")
        out.rename(replaced)
        try:
            staged.rename(out)
        except OSError:
            replaced.rename(out)
            raise
        shutil.rmtree(replaced, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step where the system can (Linux's renameat2)."""
    if sys.platform != "linux":
        return False
    here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        return False
    return libc.renameat2(here, bytes(one), here, bytes(other), exchange) == 0


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return (str(error).splitlines() or [type(error).__name__])[0]
