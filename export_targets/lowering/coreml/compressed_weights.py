"""Weights of a Core ML program stored in fewer bits by coremltools' own optimizers."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from export_targets.artifact.manifest import FloatModule
from export_targets.interpret.mil.program import Program
from quantize.palettes import nearest, palette
from quantize.recipe import Recipe, StoredWeights

PRODUCTS = ("conv", "linear")  # whose weights are compressed


def compress(model: Any, weights: StoredWeights) -> Any:
    """A coremltools model with the weights of every convolution and linear compressed."""
    import coremltools.optimize.coreml as optimize

    if weights.palette:
        table = partial(lookup_table, bits=weights.bits)
        config = optimize.OpPalettizerConfig(mode="custom", lut_function=table, weight_threshold=0)
        apply = optimize.palettize_weights
    else:
        config = optimize.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=0)
        apply = optimize.linear_quantize_weights
    configs = optimize.OptimizationConfig(op_type_configs=dict.fromkeys(PRODUCTS, config))
    return apply(model, configs)


def lookup_table(weight: np.ndarray, bits: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """The palette of a weight and the index of each of its numbers, in the fewest of ``bits``,
    ascending, that hold them as they are; where none does, as the converter scaled a weight by
    channels, in the most.
    """
    numbers = torch.from_numpy(weight.flatten()).double()
    entries = palette(numbers, torch.ones_like(numbers), 2 ** bits[-1])
    held = next(2**each for each in bits if len(entries) <= 2**each)
    table = np.zeros(held, weight.dtype)
    table[: len(entries)] = entries.numpy()
    return table, nearest(numbers, entries).numpy().astype(np.uint8)


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
