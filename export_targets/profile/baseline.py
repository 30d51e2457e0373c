"""The baseline of a comparison: the published form of an artifact's model, built beside it."""

from pathlib import Path

from edge_models.catalog import model_spec
from edge_models.errors import InputError
from edge_models.own_network import Network
from export_targets.artifact import folder as artifacts
from export_targets.artifact.folder import Artifact, open_artifact
from export_targets.pipeline import build
from export_targets.progress import Reporter
from export_targets.request import BuildRequest
from quantize.calibration import SYNTHETIC


def published_form(artifact: Artifact, network: Network, reporter: Reporter) -> Path:
    """The folder ``<artifact>-published``: built from the artifact's own FP32 weights for the same
    target, recipe and input, unless it is there already. Raises InputError; also where it is of a
    network of one's own and there is no ``network``.
    """
    manifest = artifact.manifest
    if manifest.form == "published":
        raise InputError(
            f"{artifact.folder} is the published form itself.", "Name the edge form's artifact."
        )
    out = artifact.folder.with_name(f"{artifact.folder.name}-published")
    if _is_published_form(out, artifact):
        return out
    if manifest.own and network is None:
        raise InputError(
            f"{artifact.folder} is of {manifest.model.name}, which is in no catalog.",
            "Say --model FILE.py:FUNCTION: the baseline is built from the network.",
        )
    batch, _, height, width = manifest.input.shape
    labels = artifact.path(artifacts.LABELS) if artifact.lists(artifacts.LABELS) else None
    own_images = not manifest.own and model_spec(manifest.model.name).digits
    if not own_images and manifest.calibration is not None:
        reporter.note(
            "The baseline takes its INT8 ranges from synthetic images: for its speed only."
        )
    request = BuildRequest(
        model=network if isinstance(network, str) else manifest.model.name,
        module=None if isinstance(network, str) else network,
        target=manifest.target.name,
        recipe=manifest.recipe,
        checkpoint=artifact.path(artifacts.REFERENCE),
        calibration=None if own_images or manifest.calibration is None else SYNTHETIC,
        size=(height, width),
        batch=batch,
        labels=labels,
        mean=manifest.input.mean,
        std=manifest.input.std,
        crop=manifest.input.spec.crop,
        interpolation=manifest.input.resize.interpolation,
        resize=manifest.input.resize.mode,
        output_kind=manifest.output.own_kind if manifest.own else None,
        heads=manifest.output.heads,
        form="published",
        out=out,
    )
    return build(request, reporter).folder


def _is_published_form(folder: Path, artifact: Artifact) -> bool:
    """Whether a folder is an intact artifact of the same model, weights, target and input."""
    if not folder.exists():
        return False
    found = open_artifact(folder)
    differing = artifact.manifest.identity.differing(found.manifest.identity)
    return set(differing) <= {"form", "weights"} and _weights(found) == _weights(artifact)


def _weights(artifact: Artifact) -> str:
    """The digest of the FP32 weights: a build from a checkpoint writes them in one way."""
    entries = {entry.path: entry.sha256 for entry in artifact.manifest.files}
    return entries[artifacts.REFERENCE]
