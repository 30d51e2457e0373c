"""Core ML: an ``.mlpackage`` with an ML program, for the Neural Engine first."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from edge_models.edge.local_convolution import LocalConvolutionBySlices
from edge_models.edge.primitives import Forms
from edge_models.parity import Gate
from edge_models.spec import FloatRule
from export_targets.interpret.mil.read import read_package
from export_targets.manifest import Delegation
from export_targets.mlprogram import convert
from export_targets.target import DelegatedOperator, Gates, Lowered, Lowering, Target
from quantize.recipe import Recipe

if TYPE_CHECKING:
    from torchao.quantization.pt2e.quantizer import Quantizer

# The local convolution's native form has tensors of six axes; Core ML has five.
FORMS = Forms(local_convolution=LocalConvolutionBySlices)


def quantizer(recipe: Recipe, rules: tuple[FloatRule, ...]) -> "Quantizer":
    """No recipe of this target quantizes the graph."""
    raise NotImplementedError(f"{recipe.name} does not quantize the graph")


def lower(program: torch.export.ExportedProgram, lowering: Lowering, path: Path) -> Lowered:
    """Convert, save the package at ``path`` and say which operators the saved program has."""
    convert(program, lowering).save(str(path))
    operations = read_package(path).operations
    return Lowered(
        Delegation(delegates=1, delegated_ops=len(operations), undelegated={}, fallen=()),
        tuple(
            DelegatedOperator(operation.type, operation.results[0][0], index)
            for index, operation in enumerate(operations)
        ),
    )


def inspect(path: Path) -> tuple[int, dict[str, int]]:
    """One program, and no operator outside it: a package that holds anything else is refused."""
    read_package(path)
    return 1, {}


EDGE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)
FP32_LOWER_GATE = Gate(min_sqnr_db=80.0, min_top1_agreement=1.0)
FP16_LOWER_GATE = Gate(min_sqnr_db=40.0, min_top1_agreement=0.9)
FP32_GATES = Gates(EDGE_GATE, None, FP32_LOWER_GATE, chain=FP32_LOWER_GATE)
FP16_GATES = Gates(EDGE_GATE, None, FP16_LOWER_GATE, chain=FP16_LOWER_GATE)

TARGET = Target(
    name="coreml",
    summary="Core ML .mlpackage for Xcode: an ML program for iOS 17",
    file="model.mlpackage",
    runner="interpreter",
    default_recipe="fp16",
    forms=FORMS,
    float_rules=(),
    gates={"fp32": FP32_GATES, "fp16": FP16_GATES},
    quantizer=quantizer,
    lower=lower,
    inspect=inspect,
    packages=("coremltools",),
)
