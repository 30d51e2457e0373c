"""Core ML: an ``.mlpackage`` with an ML program, for the Neural Engine first."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from edge_models.edge import channels_first
from edge_models.edge.primitives import Forms
from edge_models.parity import Gate
from edge_models.spec import FloatRule
from export_targets.compressed_weights import compress, decompressed
from export_targets.graph import ruling
from export_targets.interpret.mil.read import read_package
from export_targets.manifest import Delegation
from export_targets.mlprogram import convert, quiet_converter
from export_targets.target import DelegatedOperator, Gates, Lowered, Lowering, Target
from quantize.recipe import Recipe

if TYPE_CHECKING:
    from torchao.quantization.pt2e.quantizer import Quantizer

# tests/export_targets/coreml_inventory.txt counts the operators of these forms and of plain ones.
FORMS = Forms(
    softmax_mean=channels_first.SoftmaxByReductions,
    layer_norm=channels_first.LayerNormScaled,
    tokens=channels_first.ChannelTokens,
    attention=channels_first.AttentionByHeads,
    upsampling=channels_first.UpsamplingOfColumns,
)


def quantizer(recipe: Recipe, rules: tuple[FloatRule, ...]) -> "Quantizer":
    """executorch's Core ML quantizer for convolutions and linears: their weights and inputs.

    Outputs keep their digits: the residual stream and the norms read them in float16.
    """
    from executorch.backends.apple.coreml.quantizer import CoreMLQuantizer
    from executorch.backends.apple.coreml.quantizer._annotation_config import AnnotationConfig
    from executorch.backends.apple.coreml.quantizer._coreml_quantizer import (
        _AnnotationPatternRegistry,
    )

    from quantize.pt2e import int8_config

    class ProductQuantizer(CoreMLQuantizer):  # type: ignore[misc]  # the library has no types
        """The library's patterns of a convolution and of a linear, with this program's ranges."""

        def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
            patterns = _AnnotationPatternRegistry.get_annotators()
            for name, activations in (("conv", recipe.convolution), ("linear", recipe.linear)):
                if activations is not None:
                    config = int8_config(activations)
                    annotation = AnnotationConfig(config.input_activation, None, config.weight)
                    patterns[name](model, annotation, lambda node: ruling(node, rules) is None)
            return model

    return ProductQuantizer(None)


def lower(program: torch.export.ExportedProgram, lowering: Lowering, path: Path) -> Lowered:
    """Convert, save the package at ``path`` and say which operators the saved program has."""
    model = convert(program, lowering)
    weights: dict[str, Tensor] = {}
    if lowering.recipe.weights is not None:
        with quiet_converter():
            model = compress(model, lowering.recipe.weights)
        weights = decompressed(model, program)
    model.save(str(path))
    operations = read_package(path).operations
    return Lowered(
        Delegation(delegates=1, delegated_ops=len(operations), undelegated={}, fallen=()),
        tuple(
            DelegatedOperator(operation.type, operation.results[0][0], index)
            for index, operation in enumerate(operations)
        ),
        weights,
    )


def inspect(path: Path) -> tuple[int, dict[str, int]]:
    """One program, and no operator outside it: a package that holds anything else is refused."""
    read_package(path)
    return 1, {}


EDGE_GATE = Gate(min_sqnr_db=100.0, min_top1_agreement=1.0)
FP32_LOWER_GATE = Gate(min_sqnr_db=80.0, min_top1_agreement=1.0)
FP16_LOWER_GATE = Gate(min_sqnr_db=40.0, min_top1_agreement=0.9)
INT8_GATE = Gate(min_sqnr_db=0.0, min_top1_agreement=0.8)
INT8_LOWER_GATE = Gate(min_sqnr_db=35.0, min_top1_agreement=0.9)
FP32_GATES = Gates(EDGE_GATE, None, FP32_LOWER_GATE, chain=FP32_LOWER_GATE)
FP16_GATES = Gates(EDGE_GATE, None, FP16_LOWER_GATE, chain=FP16_LOWER_GATE)
# Palettes change the network itself: how far is reported, and only a broken one is refused.
WEIGHTS_GATE = Gate(min_sqnr_db=0.0, min_top1_agreement=0.5)
EXACT_GATE = Gate(min_sqnr_db=60.0, min_top1_agreement=1.0)
WEIGHTS_GATES = Gates(EDGE_GATE, WEIGHTS_GATE, FP16_LOWER_GATE, WEIGHTS_GATE, EXACT_GATE)
INT8_GATES = Gates(EDGE_GATE, INT8_GATE, INT8_LOWER_GATE, chain=INT8_GATE)

TARGET = Target(
    name="coreml",
    summary="Core ML .mlpackage for Xcode: an ML program for iOS 17",
    file="model.mlpackage",
    runner="interpreter",
    default_recipe="fp16",
    forms=FORMS,
    float_rules=(),
    gates={
        "fp32": FP32_GATES,
        "fp16": FP16_GATES,
        "int8": INT8_GATES,
        "int8_weight_only": WEIGHTS_GATES,
        "palettized_6bit": WEIGHTS_GATES,
        "palettized_4bit": WEIGHTS_GATES,
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
