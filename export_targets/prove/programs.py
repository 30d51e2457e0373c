"""The programs of an artifact, from the FP32 reference to the saved file, on any images."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from edge_models.catalog import model_spec
from edge_models.checkpoint import LoadedModel, load_reference
from edge_models.edge import edge_form
from edge_models.edge.network import network_edge_form
from edge_models.errors import InputError
from edge_models.images import normalize
from edge_models.own_network import Network, own_spec
from edge_models.reference.heads import one_output, run_eager
from edge_models.spec import ModelSpec
from export_targets.artifact import folder as artifacts
from export_targets.artifact.folder import Artifact
from export_targets.target import target_named


@dataclass(frozen=True)
class Reference:
    """The published model with an artifact's FP32 weights; ``module`` is it with one output.

    ``spec`` and ``loaded`` are None where it is the FP32 program that the artifact holds.
    """

    spec: ModelSpec | None
    loaded: LoadedModel | None
    module: Callable[[Tensor], object]


def reference(artifact: Artifact, network: Network, trust_graphs: bool) -> Reference:
    """The FP32 reference, made anew from the artifact's weights. That of a network of one's own is
    made from ``network``, or is the program that the artifact holds, which can carry code. Raises
    InputError.
    """
    manifest = artifact.manifest
    if not manifest.own:
        if network is not None:
            raise InputError(
                f"{artifact.folder} is of {manifest.model.name}, which is in the catalog.",
                "Leave --model away.",
            )
        spec = model_spec(manifest.model.name)
    elif network is not None:
        spec = _spec_of(artifact, network)
    elif trust_graphs and artifact.lists(artifacts.REFERENCE_PROGRAM):
        return Reference(None, None, _program(artifact, artifacts.REFERENCE_PROGRAM))
    else:
        held = artifact.lists(artifacts.REFERENCE_PROGRAM)
        why = "its FP32 program can carry code" if held else "it holds no FP32 program"
        trust = ", or --trust-graphs where you trust the artifact" if held else ""
        raise InputError(
            f"{artifact.folder} is of {manifest.model.name}, which is in no catalog, and {why}.",
            f"Say --model FILE.py:FUNCTION{trust}.",
        )
    loaded = load_reference(spec, artifact.path(artifacts.REFERENCE))
    return Reference(spec, loaded, one_output(spec, loaded.module, manifest.output.heads))


def _spec_of(artifact: Artifact, network: Network) -> ModelSpec:
    """The spec of a network that returns what an artifact's does. Raises InputError."""
    manifest = artifact.manifest
    place, module = (network, None) if isinstance(network, str) else (manifest.model.name, network)
    kind = manifest.output.own_kind
    spec = own_spec(place, module, manifest.input.spec, manifest.input.shape[0], kind)
    assert spec.own is not None
    returned = [(tensor.name, tensor.shape) for tensor in spec.own.tensors]
    expected = [(tensor.name, tensor.shape) for tensor in manifest.output.tensors]
    if kind == "logits":
        expected = [(returned[0][0], manifest.output.shape)]
    if returned != expected:
        raise InputError(
            f"The network {place} is not that of {artifact.folder}: it returns other tensors.",
            "Name the function that it was built from.",
        )
    return spec


def edge(artifact: Artifact, source: Reference) -> nn.Module | None:
    """What was exported: the edge form, or for the published form the reference itself; None where
    the reference is a program, of which no edge form is made.
    """
    manifest = artifact.manifest
    if source.loaded is None or source.spec is None:
        return None
    module, heads = source.loaded.module, manifest.output.heads
    if manifest.form != "edge":
        return one_output(source.spec, module, heads)
    batch, _, height, width = manifest.input.shape
    forms = target_named(manifest.target.name).forms()
    if manifest.own:
        return network_edge_form(module, (height, width), batch, forms)[0]
    return edge_form(source.spec, module, (height, width), batch, heads, forms)


def quantized(artifact: Artifact) -> Callable[[Tensor], Tensor]:
    """The program that was lowered, from inputs (samples, B, 3, H, W) to logits. It is loaded from
    the artifact and can carry code. Raises InputError where it cannot be loaded or run.
    """
    program = _program(artifact, artifacts.LOWERED)
    return lambda inputs: run_eager(program, inputs)


def _program(artifact: Artifact, name: str) -> Callable[[Tensor], object]:
    """A program of an artifact, from one input (B, 3, H, W) to what it returns."""
    module = load(artifact, name)

    def run(sample: Tensor) -> object:
        try:
            return module(sample)
        except Exception as error:  # torch says nowhere what it raises for what does not fit
            raise _refused(artifact, name, error) from error

    return run


def load(artifact: Artifact, name: str) -> fx.GraphModule:
    """A program of an artifact by its file's name; it can carry code. Raises InputError."""
    import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the quantized operators

    path = artifact.path(name)
    try:
        return torch.export.load(path).module()
    except Exception as error:  # nor for a damaged file
        raise _refused(artifact, name, error) from error


def _refused(artifact: Artifact, name: str, error: Exception) -> InputError:
    return InputError(
        f"The graph {artifact.path(name)} cannot be run: {type(error).__name__}: {error}",
        "Build the artifact again, or leave --trust-graphs away.",
    )


def normalized(artifact: Artifact, pixels: Tensor) -> Tensor:
    """Images, uint8 (..., 3, H, W), as the reference takes them."""
    return normalize(pixels, artifact.manifest.input.spec)


def given(artifact: Artifact, pixels: Tensor) -> Tensor:
    """Images as the saved file takes them: as they are where it normalizes them itself."""
    if artifact.manifest.input.normalization == "model":
        return pixels.float()
    return normalized(artifact, pixels)
