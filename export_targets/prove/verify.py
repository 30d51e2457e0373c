"""``verify``: an artifact's digests, wholeness and every parity hop, from what is on disk."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from edge_models.errors import InputError
from edge_models.image_folder import list_images, spread
from edge_models.image_reading import CropReader
from edge_models.own_network import Network
from edge_models.parity import ParityReport
from edge_models.reference.heads import run_eager
from edge_models.spec import InputSpec
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.artifact.manifest import Delegation
from export_targets.progress import Reporter
from export_targets.prove import programs
from export_targets.prove.hops import OWN_RUNNER, device_hop, judge
from export_targets.runner import Runner, runner_named
from export_targets.target import target_named
from quantize.recipe import recipe_named

UNTRUSTED = "the lowered graph can carry code: it is loaded only with --trust-graphs"
WITHOUT_NETWORK = "the edge form is made from the network: say --model FILE.py:FUNCTION"
MAX_IMAGES = 256


@dataclass(frozen=True)
class Verification:
    """The report, and each gate that failed; empty where all held."""

    report: ParityReport
    problems: tuple[str, ...]


def verify(
    folder: Path,
    images: Path | None,
    runner: str | None,
    trust_graphs: bool,
    reporter: Reporter,
    strict: bool = False,
    network: Network = None,
) -> Verification:
    """Check an artifact. Without ``images`` on its golden inputs and stored logits: no code from
    the artifact is run but the model file itself. ``strict`` refuses an image that cannot be read;
    ``network`` is one's own, of which new images need the FP32 reference. Raises InputError for a
    damaged artifact.
    """
    with reporter.stage("Digests"):
        artifact = open_artifact(folder)
    manifest = artifact.manifest
    target = target_named(manifest.target.name)
    target.check(recipe_named(manifest.recipe))
    chosen = runner_named(runner or target.runner, target.name)
    if images is None:
        inputs, source = artifact.inputs(), manifest.golden.source
        logits, absent = _stored_logits(artifact), dict[str, str]()
    else:
        read = folder_images(artifact, images, strict, reporter)
        source = read.source
        normalized = programs.normalized(artifact, read.pixels)
        logits, absent = fresh_logits(artifact, normalized, trust_graphs, reporter, network)
        inputs = programs.given(artifact, read.pixels)
    logits["file"] = saved_logits(artifact, chosen, inputs, reporter)
    for program in target.gates[manifest.recipe].others:
        other = runner_named(target.other_runners[program], target.name)
        logits[program] = saved_logits(artifact, other, inputs, reporter)
    if device_hop(manifest, chosen.name) is not None:
        own = runner_named(target.runner, target.name)
        logits[OWN_RUNNER] = (
            artifact.logits("file")
            if images is None
            else saved_logits(artifact, own, inputs, reporter)
        )
    report, problems = judge(
        manifest, chosen.name, source, logits, absent, held_delegation(artifact)
    )
    if chosen.fallen is not None and manifest.form == "edge":
        with reporter.stage("Compute plan"):
            problems += tuple(f"wholeness: {line}" for line in chosen.fallen(artifact.model))
    return Verification(report, problems)


def saved_logits(artifact: Artifact, runner: Runner, inputs: Tensor, reporter: Reporter) -> Tensor:
    """Logits of the saved file, (samples, rows, classes). Raises RunnerError if it does not run."""
    with reporter.steps(f"Saved file on the runner {runner.name}", len(inputs)) as advance:
        return runner.run(artifact.model, inputs, advance)


def held_delegation(artifact: Artifact) -> Delegation:
    """What the saved file itself holds, with the manifest's reasons for what fell out."""
    recorded = artifact.manifest.delegation
    target = target_named(artifact.manifest.target.name)
    try:
        delegates, undelegated = target.inspect(artifact.model)
    except Exception as error:  # the formats' readers say nowhere what they raise
        raise InputError(
            f"The model file {artifact.model} cannot be read: {type(error).__name__}: {error}",
            "Build the artifact again.",
        ) from error
    return recorded.model_copy(update={"delegates": delegates, "undelegated": undelegated})


@dataclass(frozen=True)
class FolderImages:
    """Images of a folder, uint8 (samples, B, 3, H, W), and how many of how many they are."""

    pixels: Tensor
    source: str


def folder_images(
    artifact: Artifact, folder: Path, strict: bool, reporter: Reporter
) -> FolderImages:
    """At most ``MAX_IMAGES`` images, evenly over a folder. Raises InputError."""
    spec = artifact.manifest.input.spec
    batch = artifact.manifest.input.shape[0]
    most = max(MAX_IMAGES // batch, 1) * batch
    paths = images_below(folder, reporter)
    crops, source = read_evenly(folder, paths, most, batch, spec, strict, reporter)
    if not crops:
        raise InputError(
            f"The folder {folder} holds no images to verify on, or fewer than a batch.",
            "Give another.",
        )
    return FolderImages(torch.stack([*crops.values()]).unflatten(0, (-1, batch)), source)


def images_below(folder: Path, reporter: Reporter) -> Sequence[Path]:
    """The image files below a folder; what is passed over is noted. Raises InputError."""
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", "Check the path.")
    listed = list_images(folder)
    reporter.notes(listed.notes(folder.name))
    return listed.paths


def read_evenly(
    folder: Path,
    paths: Sequence[Path],
    most: int,
    batch: int,
    spec: InputSpec,
    strict: bool,
    reporter: Reporter,
) -> tuple[dict[Path, Tensor], str]:
    """At most so many of a folder's images, evenly over their order, as crops in whole batches,
    uint8 (3, H, W) each, and how many of how many they are. Raises InputError.
    """
    chosen = spread(paths, most)
    reader = CropReader(folder, len(chosen), spec, spec.size, strict)
    read = dict[Path, Tensor]()
    with reporter.steps("Images", len(chosen)) as advance:
        for path in chosen:
            if (crop := reader.read(path)) is not None:
                read[path] = crop
            advance()
    reporter.notes(reader.notes())
    crops = dict(islice(read.items(), len(read) // batch * batch))
    source = f"{len(crops)} of the {len(paths)} images of the folder {folder.name}"
    if reader.unreadable:
        source += f", {len(reader.unreadable)} unreadable left out"
    return crops, source


def fresh_logits(
    artifact: Artifact,
    inputs: Tensor,
    trust_graphs: bool,
    reporter: Reporter,
    network: Network = None,
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Logits of the programs before the saved file on new inputs, and why some are absent."""
    source = programs.reference(artifact, network, trust_graphs)
    with reporter.stage("Reference logits"):
        logits = {"reference": run_eager(source.module, inputs)}
    absent: dict[str, str] = {}
    with reporter.stage("Edge form"):
        edge = programs.edge(artifact, source)
        if edge is not None:
            logits["edge"] = run_eager(edge, inputs)
    if not trust_graphs:
        return logits, {"quantized": UNTRUSTED}
    with reporter.stage("Quantized logits"):
        logits["quantized"] = programs.quantized(artifact)(inputs)
    if edge is None and recipe_named(artifact.manifest.recipe).approximate:
        absent["edge"] = WITHOUT_NETWORK
    elif edge is None:
        logits["edge"] = logits["quantized"]  # no numbers were changed: what was lowered is it
    return logits, absent


def _stored_logits(artifact: Artifact) -> dict[str, Tensor]:
    return {name: artifact.logits(name) for name in ("reference", "edge", "quantized")}
