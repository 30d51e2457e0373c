"""Weights of a Core ML program stored in fewer bits by coremltools' own optimizers."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export_targets.artifact.manifest import FloatModule
from export_targets.interpret.mil.program import Program
from quantize.recipe import Recipe, StoredWeights

PRODUCTS = ("conv", "linear")  # whose weights are compressed


def compress(model: Any, weights: StoredWeights) -> Any:
    """A coremltools model with the weights of every convolution and linear compressed."""
    import coremltools.optimize.coreml as optimize

    if weights.palette:
        config = optimize.OpPalettizerConfig(mode="kmeans", nbits=weights.bits, weight_threshold=0)
        apply = optimize.palettize_weights
    else:
        config = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
        apply = optimize.linear_quantize_weights
    configs = optimize.OptimizationConfig(op_type_configs=dict.fromkeys(PRODUCTS, config))
    with warnings.catch_warnings():
        # a tensor with fewer distinct numbers than its palette is held exactly
        warnings.filterwarnings("ignore", "Number of distinct clusters")
        return apply(model, configs)


def decompressed(model: Any, program: torch.export.ExportedProgram) -> dict[str, Tensor]:
    """The parameters of an exported program as a compressed model holds them, by name, float32.

    coremltools' own decompression gives them. Raises ValueError where the model holds a weight
    under another name or shape: its numbers are then not known.
    """
    held: dict[str, Tensor] = {}
    for operation in model._mil_program.functions["main"].operations:
        for output in operation.outputs:
            name = _plain(output.name)
            if operation.op_type.startswith("constexpr_"):
                held[name] = _tensor(operation.materialized_val_inference())
            elif operation.op_type == "const" and isinstance(output.val, np.ndarray):
                held.setdefault(name, _tensor(output.val))
    parameters = program.graph_signature.inputs_to_parameters
    found = {
        parameter: held[placeholder]
        for placeholder, parameter in parameters.items()
        if placeholder in held and held[placeholder].shape == program.state_dict[parameter].shape
    }
    lost = [name for name, value in program.named_parameters() if value.dim() > 1]
    lost = [name for name in lost if name not in found]
    if lost:
        raise ValueError(
            f"the compressed program does not hold under its name the weight {lost[0]}"
        )
    return found


def _tensor(value: Any) -> Tensor:
    return torch.from_numpy(value.copy()).float()


def uncompressed(saved: Program) -> list[tuple[str, str]]:
    """The convolutions and linears of a saved program whose weights are not compressed: operator
    and weight by their names in the program.
    """
    compressed = {
        name
        for operation in saved.operations
        if operation.type.startswith("constexpr_")
        for name, _ in operation.results
    }
    weights = [(o.type, o.arguments["weight"]) for o in saved.operations if o.type in PRODUCTS]
    return [
        (kind, weight if isinstance(weight, str) else "")
        for kind, weight in weights
        if weight not in compressed
    ]


def exceptions(
    saved: Program, program: torch.export.ExportedProgram, recipe: Recipe
) -> tuple[FloatModule, ...]:
    """The modules of an exported program whose weights a saved one holds uncompressed, and why."""
    parameters = program.graph_signature.inputs_to_parameters
    rule = f"recipe {recipe.name}: coremltools' optimizer leaves this weight as it is"
    return tuple(
        FloatModule(
            module=parameters.get(_plain(weight), weight).removesuffix(".weight"),
            operators={kind: 1},
            rule=rule,
        )
        for kind, weight in uncompressed(saved)
    )


def _plain(name: str) -> str:
    """A constant's name without what the converter to float16 adds to it."""
    return name.split("_to_fp16")[0]
