"""What a recipe means for Core ML: which operators compute in INT8."""

import torch
from executorch.backends.apple.coreml.quantizer import CoreMLQuantizer
from executorch.backends.apple.coreml.quantizer._annotation_config import AnnotationConfig
from executorch.backends.apple.coreml.quantizer._coreml_quantizer import _AnnotationPatternRegistry
from torchao.quantization.pt2e.quantizer import Quantizer

from edge_models.spec import FloatRule
from export_targets.lowering.graph import ruling
from quantize.pt2e import int8_config
from quantize.recipe import Recipe


class ProductQuantizer(CoreMLQuantizer):  # type: ignore[misc]  # the library has no types
    """The library's patterns of a convolution and of a linear, with this program's ranges."""

    def __init__(self, recipe: Recipe, rules: tuple[FloatRule, ...]) -> None:
        super().__init__(None)
        self.recipe, self.rules = recipe, rules

    def annotate(self, model: torch.fx.GraphModule) -> torch.fx.GraphModule:
        chosen = {"conv": self.recipe.convolution, "linear": self.recipe.linear}
        patterns = _AnnotationPatternRegistry.get_annotators()
        for name, activations in chosen.items():
            if activations is not None:
                config = int8_config(activations)
                annotation = AnnotationConfig(config.input_activation, None, config.weight)
                patterns[name](model, annotation, lambda node: ruling(node, self.rules) is None)
        return model


def quantizer(recipe: Recipe, rules: tuple[FloatRule, ...]) -> Quantizer:
    """executorch's Core ML quantizer for convolutions and linears: their weights and inputs.

    Outputs keep their digits: the residual stream and the norms read them in float16.
    """
    return ProductQuantizer(recipe, rules)
