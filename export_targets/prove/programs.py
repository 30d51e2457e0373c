"""The programs of an artifact, from the FP32 reference to the saved file, on any images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import LoadedModel, load_reference
from edge_models.edge import edge_form
from edge_models.errors import InputError
from edge_models.images import normalize
from edge_models.reference.heads import SingleOutput, run_eager
from edge_models.spec import ModelSpec
from export_targets.artifact import folder as artifacts
from export_targets.artifact.folder import Artifact
from export_targets.target import target_named


@dataclass(frozen=True)
class Reference:
    """The published model with an artifact's FP32 weights; ``module`` is it with one output."""

    spec: ModelSpec
    loaded: LoadedModel
    module: nn.Module


def reference(artifact: Artifact) -> Reference:
    """The FP32 reference, made anew from the artifact's weights."""
    spec = model_spec(artifact.manifest.model.name)
    loaded = load_reference(spec, artifact.path(artifacts.REFERENCE))
    return Reference(spec, loaded, SingleOutput(loaded.module, artifact.manifest.output.heads))


def edge(artifact: Artifact, source: Reference) -> nn.Module:
    """What was exported: the edge form, or for the published form the reference itself."""
    manifest = artifact.manifest
    if manifest.form != "edge":
        return source.module
    batch, _, height, width = manifest.input.shape
    forms = target_named(manifest.target.name).forms
    heads = manifest.output.heads
    return edge_form(source.spec, source.loaded.module, (height, width), batch, heads, forms)


def quantized(artifact: Artifact) -> Callable[[Tensor], Tensor]:
    """The program that was lowered, from inputs (samples, B, 3, H, W) to logits. It is loaded from
    the artifact and can carry code. Raises InputError where it cannot be loaded or run.
    """
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators

    path = artifact.path(artifacts.LOWERED)

    def refused(error: Exception) -> InputError:
        return InputError(
            f"The graph {path} cannot be run: {type(error).__name__}: {error}",
            "Build the artifact again, or leave --trust-graphs away.",
        )

    try:
        module = torch.export.load(path).module()
    except Exception as error:  # torch says nowhere what it raises for a damaged file
        raise refused(error) from error

    def run(inputs: Tensor) -> Tensor:
        try:
            return run_eager(module, inputs)
        except Exception as error:  # nor for one that does not fit together
            raise refused(error) from error

    return run


def normalized(artifact: Artifact, pixels: Tensor) -> Tensor:
    """Images, uint8 (..., 3, H, W), as the reference takes them."""
    return normalize(pixels, artifact.manifest.input.spec)


def given(artifact: Artifact, pixels: Tensor) -> Tensor:
    """Images as the saved file takes them: as they are where it normalizes them itself."""
    if artifact.manifest.input.normalization == "model":
        return pixels.float()
    return normalized(artifact, pixels)
