"""Core ML: an ``.mlpackage`` with an ML program, for the Neural Engine first."""

from pathlib import Path

import torch
from torch import Tensor

from export_targets.artifact.manifest import Delegation
from export_targets.interpret.mil.read import read_package
from export_targets.lowering.coreml.compressed_weights import compress, decompressed, exceptions
from export_targets.lowering.coreml.convert import convert, quiet_converter, saved_in_order
from export_targets.target import DelegatedOperator, Lowered, Lowering, Target
from export_targets.targets.coreml_family import (
    FLOAT_RULES,
    FORMS,
    FP16_GATES,
    FP32_GATES,
    INT8_GATES,
    WEIGHTS_GATES,
    quantizer,
)


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
        Delegation(delegates=1, delegated_ops=len(operations), undelegated={}, fallen=()),
        tuple(
            DelegatedOperator(operation.type, operation.results[0][0], index)
            for index, operation in enumerate(operations)
        ),
        weights,
        float_modules=exceptions(saved, program, lowering.recipe) if weights else (),
    )


def inspect(path: Path) -> tuple[int, dict[str, int]]:
    """One program, and no operator outside it: a package that holds anything else is refused."""
    read_package(path)
    return 1, {}


TARGET = Target(
    name="coreml",
    summary="Core ML .mlpackage for Xcode: an ML program for iOS 17",
    file="model.mlpackage",
    runner="interpreter",
    default_recipe="fp16",
    forms=FORMS,
    float_rules=FLOAT_RULES,
    gates={
        "fp32": FP32_GATES,
        "fp16": FP16_GATES,
        "int8": INT8_GATES,
        **WEIGHTS_GATES,
    },
    quantizer=quantizer,
    lower=lower,
    inspect=inspect,
    packages=("coremltools", "executorch"),
    options={
        "input": ("image", "tensor"),
        "output": ("class", "logits"),
        "minimum-deployment": ("iOS17", "iOS16", "iOS18"),
    },
    excluded=(("int8", "minimum-deployment", "iOS16"),),  # its quantize came with iOS 17
    exact_runner="interpreter_float32",
)
