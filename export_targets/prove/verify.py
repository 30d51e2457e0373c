"""``verify``: an artifact's digests, wholeness and every parity hop, from what is on disk."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from edge_models.catalog import model_spec
from edge_models.checkpoint import load_reference
from edge_models.edge import edge_form
from edge_models.errors import InputError
from edge_models.images import find_images, preprocess_all, read_image, to_pixels
from edge_models.parity import ParityReport
from edge_models.reference.heads import SingleOutput, run_eager
from export_targets.artifact import folder as artifacts
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.artifact.manifest import Delegation
from export_targets.progress import Reporter
from export_targets.prove.hops import OWN_RUNNER, device_hop, judge
from export_targets.runner import Runner, runner_named
from export_targets.target import target_named
from quantize.recipe import recipe_named

UNTRUSTED = "the lowered graph can carry code: it is loaded only with --trust-graphs"
MAX_IMAGES = 256


@dataclass(frozen=True)
class Verification:
    """The report, and each gate that failed; empty where all held."""

    report: ParityReport
    problems: tuple[str, ...]


def verify(
    folder: Path, images: Path | None, runner: str | None, trust_graphs: bool, reporter: Reporter
) -> Verification:
    """Check an artifact. Without ``images`` on its golden inputs and stored logits: no code from
    the artifact is run but the model file itself. Raises InputError for a damaged artifact.
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
        normalized, source = folder_inputs(artifact, images), f"folder {images.name}"
        logits, absent = fresh_logits(artifact, normalized, trust_graphs, reporter)
        inputs = given(artifact, normalized)
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
    return Verification(report, problems)


def given(artifact: Artifact, inputs: Tensor) -> Tensor:
    """Normalized images as the saved file takes them: pixels where it normalizes them itself."""
    if artifact.manifest.input.normalization == "caller":
        return inputs
    return to_pixels(inputs, model_spec(artifact.manifest.model.name).input)


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


def folder_inputs(artifact: Artifact, folder: Path, limit: int = MAX_IMAGES) -> Tensor:
    """Images of a folder as model inputs, (samples, B, 3, H, W). Raises InputError."""
    spec = model_spec(artifact.manifest.model.name)
    batch, _, height, width = artifact.manifest.input.shape
    paths = find_images(folder) if folder.is_dir() else []
    paths = paths[: limit // batch * batch]
    paths = paths[: len(paths) // batch * batch]
    if not paths:
        raise InputError(f"The folder {folder} holds no images to verify on.", "Give another.")
    images = [read_image(path) for path in paths]
    return preprocess_all(images, spec.input, (height, width)).unflatten(0, (-1, batch))


def fresh_logits(
    artifact: Artifact, inputs: Tensor, trust_graphs: bool, reporter: Reporter
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Logits of the programs before the saved file on new inputs, and why some are absent.

    Reference and edge form are made anew from the artifact's FP32 weights.
    """
    manifest = artifact.manifest
    spec = model_spec(manifest.model.name)
    loaded = load_reference(spec, artifact.path(artifacts.REFERENCE))
    batch, _, height, width = manifest.input.shape
    heads = manifest.output.heads
    reference = SingleOutput(loaded.module, heads)
    with reporter.stage("Reference logits"):
        logits = {"reference": run_eager(reference, inputs)}
    with reporter.stage("Edge form"):
        module: torch.nn.Module = reference
        if manifest.form == "edge":
            forms = target_named(manifest.target.name).forms
            module = edge_form(spec, loaded.module, (height, width), batch, heads, forms)
        logits["edge"] = run_eager(module, inputs)
    if not trust_graphs:
        return logits, {"quantized": UNTRUSTED}
    with reporter.stage("Quantized logits"):
        logits["quantized"] = _lowered_logits(artifact, inputs)
    return logits, {}


def _lowered_logits(artifact: Artifact, inputs: Tensor) -> Tensor:
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators

    path = artifact.path(artifacts.LOWERED)
    try:
        return run_eager(torch.export.load(path).module(), inputs)
    except Exception as error:  # torch says nowhere what it raises for a damaged file
        raise InputError(
            f"The graph {path} cannot be run: {type(error).__name__}: {error}",
            "Build the artifact again, or verify without --trust-graphs.",
        ) from error


def _stored_logits(artifact: Artifact) -> dict[str, Tensor]:
    return {name: artifact.logits(name) for name in ("reference", "edge", "quantized")}
