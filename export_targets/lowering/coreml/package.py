"""Conversion to an ``.mlpackage``."""

from pathlib import Path

import torch
from torch import Tensor

from export_targets.artifact.manifest import Delegation
from export_targets.interpret.mil.read import read_package
from export_targets.lowering.coreml.compressed_weights import compress, decompressed, exceptions
from export_targets.lowering.coreml.convert import convert, quiet_converter, saved_in_order
from export_targets.lowering.coreml.quantizer import quantizer
from export_targets.target import DelegatedOperator, Lowered, Lowering

__all__ = ["inspect", "lower", "quantizer"]


def lower(program: torch.export.ExportedProgram, lowering: Lowering, path: Path) -> Lowered:
    """Convert, save the package at ``path`` and say which operators the saved program has."""
    model = convert(program, lowering)
    weights: dict[str, Tensor] = {}
    if lowering.recipe.weights is not None:
        with quiet_converter():
            model = compress(model, lowering.recipe.weights)
        weights = decompressed(model, program)
    with saved_in_order():
        model.save(str(path))
    saved = read_package(path)
    operations = saved.operations
    return Lowered(
        Delegation(delegates=None, delegated_ops=len(operations), undelegated={}, fallen=()),
        tuple(
            DelegatedOperator(operation.type, operation.results[0][0], index)
            for index, operation in enumerate(operations)
        ),
        weights,
        float_modules=exceptions(saved, program, lowering.recipe) if weights else (),
    )


def inspect(path: Path) -> tuple[int | None, dict[str, int]]:
    """No delegates and no operator outside the one program: a package that holds anything else is
    refused. On which processor its operators run, the file does not say.
    """
    read_package(path)
    return None, {}
