"""What the page says of one artifact, read from its folder and checked."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import torch

from edge_models.errors import InputError
from edge_models.images import read_image
from edge_models.parity import Hop, ParityReport
from export_targets.artifact.folder import (
    GOLDEN,
    MANIFEST,
    PARITY,
    SENSITIVITY,
    Artifact,
    open_artifact,
    read_parity,
)
from export_targets.artifact.latency_folder import LATENCY, model_digest, stored_reports
from export_targets.artifact.latency_report import LatencyReport
from export_targets.artifact.manifest import Manifest
from export_targets.artifact.sensitivity import Sensitivity, read_sensitivity
from export_targets.prove.layer_errors import LAYER_ERRORS, LayerError, read_layer_errors

SHOWN_SAMPLES = 8
THUMBNAIL = 96  # pixels of the longer side


class Place(NamedTuple):
    """Where times were taken; times of two places are never set against each other."""

    device: str
    runner: str
    threads: str

    def __str__(self) -> str:
        return f"{self.device}, {self.runner}, {self.threads}"


@dataclass(frozen=True)
class Sample:
    """A golden image, as a data URI, and the class that the reference and the saved file name."""

    image: str
    reference: str
    saved: str


@dataclass(frozen=True)
class Subject:
    """An artifact on the page. ``key``: of its HTML ids; ``label``: a name that no other one has.

    ``parity`` is None where it was never verified, ``sensitivity`` where it was not measured;
    ``latency`` has every report by file name.
    """

    key: str
    label: str
    artifact: Artifact
    parity: ParityReport | None
    latency: Mapping[str, LatencyReport]
    samples: tuple[Sample, ...]
    layers: tuple[LayerError, ...]
    sensitivity: Sensitivity | None

    @property
    def manifest(self) -> Manifest:
        return self.artifact.manifest

    @property
    def delegated_share(self) -> float | None:
        """Of the operators, those in a delegate; None where none were counted."""
        found = self.manifest.delegation
        total = found.delegated_ops + sum(found.undelegated.values())
        return found.delegated_ops / total if total else None

    @property
    def chain(self) -> Hop | None:
        """The saved file against the FP32 reference, where it was compared."""
        hops = self.parity.hops if self.parity else ()
        return next((hop for hop in hops if hop.name == "chain" and hop.sqnr_db is not None), None)

    @property
    def verdict(self) -> str:
        """Whether every gate held: passed, failed or not verified."""
        if self.parity is None:
            return "not verified"
        return "passed" if self.parity.passed and self.manifest.sound else "failed"

    @property
    def current(self) -> dict[Place, LatencyReport]:
        """The newest report of each place."""
        return {_place(report): report for report in self.latency.values()}

    @property
    def raw(self) -> dict[str, str]:
        """The artifact's JSON files as they are, by name."""
        names = [MANIFEST, *([PARITY] if self.parity else [])]
        names += [LAYER_ERRORS] if self.layers else []
        names += [SENSITIVITY] if self.sensitivity else []
        names += [f"{LATENCY}/{name}" for name in self.latency]
        return {name: (self.artifact.folder / name).read_text(encoding="utf-8") for name in names}


def read_subjects(folders: Sequence[Path]) -> tuple[Subject, ...]:
    """Read and check artifacts, in their order. Raises InputError for a damaged one."""
    places = [folder.resolve() for folder in folders]
    for folder, place in zip(folders, places, strict=True):
        if places.count(place) > 1:
            raise InputError(f"The artifact {folder} is given twice.", "Name each once.")
    artifacts = [open_artifact(folder) for folder in folders]
    names = [artifact.manifest.name for artifact in artifacts]
    return tuple(
        _subject(
            f"a{number}",
            name if names.count(name) == 1 else f"{name} in {folder}",
            artifact,
        )
        for number, (folder, name, artifact) in enumerate(
            zip(folders, names, artifacts, strict=True), 1
        )
    )


def _subject(key: str, label: str, artifact: Artifact) -> Subject:
    folder, manifest = artifact.folder, artifact.manifest
    latency = stored_reports(folder)
    for name, report in latency.items():
        if report.model_sha256 != model_digest(manifest):
            raise InputError(
                f"The latency report {folder / LATENCY / name} is of another model file.",
                "Remove it, and profile this artifact.",
            )
    return Subject(
        key,
        label,
        artifact,
        read_parity(folder, manifest),
        latency,
        _samples(artifact),
        read_layer_errors(artifact),
        read_sensitivity(artifact),
    )


def _samples(artifact: Artifact) -> tuple[Sample, ...]:
    """The first golden samples, where one image has one row of logits."""
    manifest = artifact.manifest
    if manifest.output.kind != "logits" or manifest.output.shape[0] != 1:
        return ()
    if manifest.output.heads != "mean":
        return ()
    labels = artifact.labels() or [f"class {i}" for i in range(manifest.model.classes)]
    named = {
        program: [labels[int(torch.argmax(row))] for row in artifact.logits(program)]
        for program in ("reference", "file")
    }
    return tuple(
        Sample(_thumbnail(artifact.path(name)), named["reference"][i], named["file"][i])
        for i in range(min(SHOWN_SAMPLES, manifest.golden.samples))
        if artifact.lists(name := f"{GOLDEN}/image_{i}.png")
    )


def _thumbnail(path: Path) -> str:
    image = read_image(path)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    content = BytesIO()
    image.save(content, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"


def _place(report: LatencyReport) -> Place:
    return Place(report.device.name, report.runner, report.runtime.on_threads)
