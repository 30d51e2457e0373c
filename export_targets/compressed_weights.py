"""Weights of a Core ML program stored in fewer bits by coremltools' own optimizers."""

import warnings
from typing import Any

import numpy as np
import torch
from torch import Tensor

from quantize.recipe import StoredWeights

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

    coremltools' own decompression gives them. Raises ValueError where a weight of a convolution or
    linear is not among the model's compressed constants.
    """
    held: dict[str, Tensor] = {}
    for operation in model._mil_program.functions["main"].operations:
        for output in operation.outputs:
            name = output.name.split("_to_fp16")[0]
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
        raise ValueError(f"the compressed program does not hold the weight {lost[0]}")
    return found


def _tensor(value: Any) -> Tensor:
    return torch.from_numpy(value.copy()).float()


def uncompressed(program: Any) -> list[str]:
    """The convolutions and linears of a saved program whose weights are not compressed."""
    compressed = {
        name
        for operation in program.operations
        if operation.type.startswith("constexpr_")
        for name, _ in operation.results
    }
    return [
        operation.results[0][0]
        for operation in program.operations
        if operation.type in PRODUCTS and operation.arguments["weight"] not in compressed
    ]
