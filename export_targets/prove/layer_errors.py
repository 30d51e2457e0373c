"""What INT8 does to each layer: its results in the quantized graph beside the float ones."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, FiniteFloat, TypeAdapter, ValidationError
from torch import Tensor, fx

from edge_models.errors import InputError
from edge_models.parity import ROUNDING_SHARE, decibels
from export_targets.artifact.folder import Artifact, first_problem
from export_targets.lowering.graph import (
    in_int8,
    module_path,
    multiply_accumulates,
    operator_name,
)

LAYER_ERRORS = "evidence/layer_errors.json"
LAYERS = ("conv2d", "linear", "bmm", "matmul")  # the operators with multiply-accumulates
# Golden inputs that are run layer by layer. Half of the digits models' layers are then within
# 0.4 dB of their figure on 64 images; one with rare large results was 9 dB from it.
SAMPLES = 8


class LayerError(BaseModel):
    """A layer's result in the quantized graph against the same node's in the float graph.

    The signal-to-quantization-noise ratio in dB, as ``Metrics`` defines it: of what differs between
    the samples, against what the layer adds and what came in with its input. None where the float
    result is the same for all samples or one of them is not finite. ``macs`` are its
    multiply-accumulates for one input, None in artifacts of before they were kept.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    node: str
    module: str
    operator: str
    computes: Literal["int8", "float"]
    sqnr_db: FiniteFloat | None
    macs: int | None = None


def layer_errors(
    reference: fx.GraphModule, quantized: fx.GraphModule, inputs: Tensor
) -> tuple[LayerError, ...]:
    """Compare the layers of two graphs that PT2E made one from the other, in the order of the
    graph. ``inputs``: (samples, B, 3, H, W).
    """
    floating = _layers(reference)
    shared = floating.keys() & _layers(quantized).keys()
    energies = {name: Energies() for name in shared}
    for sample in inputs[:SAMPLES]:
        expected: dict[str, Tensor] = {}
        _Watched(reference, shared, expected.__setitem__).run(sample)

        def compare(name: str, actual: Tensor, expected: dict[str, Tensor] = expected) -> None:
            energies[name].add(expected.pop(name).double(), actual.double())

        _Watched(quantized, shared, compare).run(sample)
    return tuple(
        LayerError(
            node=name,
            module=module_path(node),
            operator=operator_name(node),
            computes="int8" if in_int8(node) else "float",
            sqnr_db=energies[name].sqnr_db,
            macs=multiply_accumulates(floating[name]),
        )
        for name, node in _layers(quantized).items()
        if name in shared
    )


def read_layer_errors(artifact: Artifact) -> tuple[LayerError, ...]:
    """The errors that a build stored; empty for a recipe that does not quantize activations.
    Raises InputError for a damaged file.
    """
    if not artifact.lists(LAYER_ERRORS):
        return ()
    path = artifact.path(LAYER_ERRORS)
    try:
        return ERRORS.validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(
            f"The file {path} is damaged: {first_problem(error)}", "Build the artifact again."
        ) from error


def int8_share(layers: Sequence[LayerError]) -> float | None:
    """Of the multiply-accumulates of layers, those in INT8: none where there are no layers, of a
    recipe without INT8 activations. None where an artifact does not say.
    """
    if any(layer.macs is None for layer in layers):
        return None
    whole = sum(layer.macs or 0 for layer in layers)
    in_int8 = sum(layer.macs or 0 for layer in layers if layer.computes == "int8")
    return in_int8 / whole if whole else 0.0


def write_layer_errors(folder: Path, errors: tuple[LayerError, ...]) -> None:
    """Write the errors into the evidence of an artifact that is being built."""
    (folder / LAYER_ERRORS).write_bytes(ERRORS.dump_json(errors, indent=1) + b"\n")


ERRORS = TypeAdapter(tuple[LayerError, ...])


@dataclass
class Energies:
    """Sums over samples that come one after the other: the signal about its running mean
    (Welford's method), and the noise.
    """

    samples: int = 0
    mean: Tensor | float = 0.0
    total: float = 0.0
    signal: float = 0.0
    noise: float = 0.0

    def add(self, expected: Tensor, actual: Tensor) -> None:
        before = expected - self.mean
        self.samples += 1
        self.mean = self.mean + before / self.samples
        self.signal += (before * (expected - self.mean)).sum().item()
        self.total += expected.square().sum().item()
        self.noise += (expected - actual).square().sum().item()

    @property
    def sqnr_db(self) -> float | None:
        if not math.isfinite(self.total + self.noise):
            return None
        if self.signal <= ROUNDING_SHARE * self.total:
            return None
        return decibels(self.signal, self.noise)


class _Watched(fx.Interpreter):
    """Runs a graph and hands the results of some nodes to a function."""

    def __init__(
        self, module: fx.GraphModule, names: set[str], see: Callable[[str, Tensor], None]
    ) -> None:
        super().__init__(module)
        self.names, self.see = names, see

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if n.name in self.names:
            self.see(n.name, result)
        return result

    def run(self, *args: Any, **kwargs: Any) -> Any:
        with torch.no_grad():
            return super().run(*args, **kwargs)


def _layers(graph_module: fx.GraphModule) -> dict[str, fx.Node]:
    return {
        node.name: node
        for node in graph_module.graph.nodes
        if node.op == "call_function" and operator_name(node) in LAYERS
    }
